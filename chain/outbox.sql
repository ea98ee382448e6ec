create table if not exists identity (    -- the one chain and signer this file is for
    only         integer primary key check (only = 1),
    chain_id     integer not null,
    genesis_hash blob not null,
    signer       blob not null
) strict;

create table if not exists intent (
    purpose   text primary key,          -- what the transaction is to achieve, once
    nonce     integer not null,
    recipient blob,                      -- null: it creates a contract
    data      blob not null,
    gas       integer not null,
    status    text not null check (status in ('open', 'done', 'reverted', 'lost'))
) strict;

-- A nonce serves one intent; only one that the chain gave to a stranger is free again.
create unique index if not exists one_intent_per_nonce
    on intent (nonce) where status != 'lost';

create table if not exists variant (     -- the same intent and nonce, at another fee
    hash         blob primary key,
    purpose      text not null references intent (purpose),
    position     integer not null,
    raw          blob not null,
    max_fee      text not null,          -- wei, decimal: may exceed 64 bits
    priority_fee text not null,
    signed_at    real not null,          -- unix seconds, for the age of a fee only
    unique (purpose, position)
) strict;
