-- The coordinator's memory.  Slots are absolute; addresses and digests raw bytes;
-- amounts, weights and figures decimal text, since they can exceed 64 bits; numbers
-- that a device chooses are 8 bytes, big-endian, since SQLite's integers end at 2^63.

create table if not exists enrolment (          -- every change of the register
    device blob not null,
    nonce  blob not null,
    since  integer not null,                    -- first slot that it counts for
    raw    blob not null,                       -- the signed message
    primary key (device, nonce)
) strict;

create table if not exists certificate (        -- issued to devices, for revocation
    serial   blob primary key,                  -- 20 bytes, big-endian
    device   blob not null,
    ends     integer not null                   -- Unix milliseconds
) strict;
create index if not exists certificate_by_device on certificate (device);

create table if not exists slot (               -- what the coordinator published
    slot    integer primary key,
    beacon  blob not null,
    entropy blob,                               -- null: none came from outside in time
    heard   blob,                               -- bitmap over the epoch's roster
    root    blob                                -- signed IntakeRoot; null: none, void
) strict;

create table if not exists phase (              -- phase values as published
    round integer not null,
    phase integer not null,
    value blob not null,
    primary key (round, phase)
) strict;

create table if not exists beat (               -- heard on time; bitmap after the slot
    slot   integer not null,
    device blob not null,
    primary key (slot, device)
) strict, without rowid;

create table if not exists message (            -- device-signed, as they arrived
    digest blob primary key,                    -- EIP-712: redelivery is a no-op
    kind   text not null,                       -- seal, commitment, opening, skip
    device blob not null,
    slot   integer not null,                    -- of arrival; then of its intake root
    rooted integer not null default 0,          -- 1: stands under that slot's root
    raw    blob not null
) strict;
create index if not exists message_by_slot on message (rooted, slot, kind);

create table if not exists telemetry (          -- claimed, shown, never paid
    device   blob not null,
    boot     blob not null,
    sequence blob not null,
    taken_at blob not null,                     -- Unix milliseconds, device's clock
    readings blob not null,                     -- compressed JSON, telemetry.samples
    primary key (device, boot, sequence)
) strict;
create index if not exists telemetry_by_time on telemetry (device, taken_at);

create table if not exists presence (           -- a hint for the dashboard
    device    blob primary key,
    last_slot integer not null default -1,      -- sealed, of the last beat on time
    beats     integer not null default 0,
    online    integer not null default 0        -- birth and last will
) strict;

create table if not exists missed (             -- beats that did not count: a hint
    slot   integer not null,
    device blob not null,
    reason integer not null,
    primary key (slot, device)
) strict;

create table if not exists stopped (            -- agents that said goodbye: a hint
    device  blob not null,
    since   integer not null,                   -- slot of the goodbye
    until   integer,                            -- slot of the next birth; null: still
    primary key (device, since)
) strict;

create table if not exists refusal (            -- what was refused, and why
    slot   integer not null,
    device text not null,                       -- as the topic names it
    kind   text not null,
    reason integer not null,
    count  integer not null,
    primary key (slot, device, kind, reason)
) strict;

create table if not exists proof (              -- verifier's memo: cost paid once
    proof_case blob primary key,                -- Keccak of all that it depends on
    reason integer not null,
    micros integer not null                     -- what the verification cost
) strict;

create table if not exists verdict (
    round  integer not null,
    bucket integer not null,
    device blob not null,
    card   integer not null,
    work   text not null,
    figure text not null,
    reason integer not null,
    primary key (round, bucket, device, card)
) strict;
create index if not exists verdict_by_device on verdict (device, bucket, round);

create table if not exists epoch (              -- closed epochs
    epoch            integer primary key,
    countable        integer not null,          -- slots that count for anybody
    budget           text not null,
    unallocated      text not null,
    root             blob not null,
    cumulative_total text not null,
    data_hash        blob not null,
    carried          text not null              -- JSON: state for the next epoch
) strict;

create table if not exists attendance (
    epoch    integer not null,
    device   blob not null,
    owner    blob not null,
    slots    blob not null,                     -- bitmap of accepted slots
    missing  blob not null,                     -- reason code of each slot, 0: accepted
    accepted integer not null,
    primary key (epoch, device)
) strict;
create index if not exists attendance_by_device on attendance (device, epoch);

create table if not exists payout (
    epoch  integer not null,
    device blob not null,
    bucket integer not null,
    owner  blob not null,
    weight text not null,
    reward text not null,
    reason integer not null,
    primary key (epoch, device, bucket)
) strict;
create index if not exists payout_by_device on payout (device, epoch);

create table if not exists balance (
    epoch    integer not null,
    owner    blob not null,
    previous text not null,
    current  text not null,
    primary key (epoch, owner)
) strict;
create index if not exists balance_by_owner on balance (owner, epoch);

create table if not exists posting (            -- what became of an epoch's root
    epoch       integer primary key,
    state       text not null,                  -- nothing, waiting, posted, finalised
    transaction_hash text not null default ''
) strict;
