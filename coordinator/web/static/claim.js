// The claim page: a device has signed its enrolment, its owner signs here.
//
// What stands behind # is base64url (RFC 4648) of the message in CBOR with the device's
// signature.  The wallet (EIP-1193) signs the same message (EIP-712); both signatures
// together go to /api/v1/enrolments.  Layouts: docs/protocol.md, section 3.
"use strict";

const page = document.getElementById("claim");
const button = document.getElementById("sign");
const said = document.getElementById("said");

const USER_REJECTED = 4001; // EIP-1193
const UNKNOWN_CHAIN = 4902; // EIP-3085

function say(text, bad) {
  said.textContent = text;
  said.className = bad ? "bad" : "";
}

// Reading the link.

function fromBase64url(code) {
  const text = atob(code.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function toHex(bytes) {
  return "0x" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  take(length) {
    const part = this.bytes.slice(this.at, this.at + length);
    if (part.length !== length) throw new Error("it ends early");
    this.at += length;
    return part;
  }

  // The argument of a CBOR head of the wanted major type (RFC 8949, section 3).
  head(major) {
    const [lead] = this.take(1);
    const short = lead & 31;
    if (lead >> 5 !== major || short > 27) throw new Error("it is no enrolment");
    if (short < 24) return BigInt(short);
    return BigInt(toHex(this.take(1 << (short - 24))));
  }

  string(length) {
    if (this.head(2) !== BigInt(length)) throw new Error("it is no enrolment");
    return this.take(length);
  }
}

// Enrol(device, owner, nonce, issuedAt) and the first of its two signatures.
function readEnrolment(bytes) {
  const reader = new Reader(bytes);
  if (reader.head(4) !== 6n || reader.head(0) !== 1n) {
    throw new Error("it is no enrolment");
  }
  const enrolment = {
    device: toHex(reader.string(20)),
    owner: toHex(reader.string(20)),
    nonce: reader.head(0),
    issuedAt: reader.head(0),
  };
  reader.string(65);
  if (reader.at !== bytes.length) throw new Error("it is too long");
  return enrolment;
}

// The same bytes as an array of one more item, with the second signature behind.
function withSignature(half, signature) {
  return Uint8Array.from([0x87, ...half.slice(1), 0x58, 65, ...signature]);
}

// Asking the wallet.

function typedData(enrolment) {
  return {
    domain: {
      name: "edgeproof",
      version: "1",
      chainId: Number(page.dataset.chainId),
      salt: page.dataset.networkId,
    },
    types: {
      EIP712Domain: [
        { name: "name", type: "string" },
        { name: "version", type: "string" },
        { name: "chainId", type: "uint256" },
        { name: "salt", type: "bytes32" },
      ],
      Enrol: [
        { name: "device", type: "address" },
        { name: "owner", type: "address" },
        { name: "nonce", type: "uint64" },
        { name: "issuedAt", type: "uint64" },
      ],
    },
    primaryType: "Enrol",
    message: {
      device: enrolment.device,
      owner: enrolment.owner,
      nonce: enrolment.nonce.toString(),
      issuedAt: enrolment.issuedAt.toString(),
    },
  };
}

let announced = null; // EIP-6963: wallets that do not claim window.ethereum
window.addEventListener("eip6963:announceProvider", (event) => {
  announced = announced ?? event.detail.provider;
});
window.dispatchEvent(new Event("eip6963:requestProvider"));

class Refusal extends Error {}

async function rightChain(wallet) {
  const wanted = Number(page.dataset.chainId);
  if (Number(await wallet.request({ method: "eth_chainId" })) === wanted) return;
  const chainId = "0x" + wanted.toString(16);
  try {
    await wallet.request({
      method: "wallet_switchEthereumChain",
      params: [{ chainId }],
    });
  } catch (error) {
    if (error.code !== UNKNOWN_CHAIN) throw error;
    throw new Refusal(`The wallet does not know chain ${wanted}: add it there first.`);
  }
}

async function signature(wallet, enrolment) {
  const accounts = await wallet.request({ method: "eth_requestAccounts" });
  const account = accounts.find((each) => each.toLowerCase() === enrolment.owner);
  if (account === undefined) {
    throw new Refusal(
      `The wallet has opened ${accounts[0] ?? "no account"}, but the device asks for ` +
        `${enrolment.owner}: choose that account there, or enrol anew for this one.`,
    );
  }
  await rightChain(wallet);
  const text = await wallet.request({
    method: "eth_signTypedData_v4",
    params: [account, JSON.stringify(typedData(enrolment))],
  });
  if (!/^0x[0-9a-fA-F]{130}$/.test(text)) {
    throw new Refusal("The wallet's answer is no signature of a plain account.");
  }
  const bytes = text.slice(2).match(/../g).map((digits) => parseInt(digits, 16));
  if (bytes[64] < 27) bytes[64] += 27; // some wallets leave Ethereum's 27 out
  return bytes;
}

async function post(message) {
  const answer = await fetch("/api/v1/enrolments", {
    method: "POST",
    headers: { "Content-Type": "application/cbor" },
    body: message,
  });
  const found = await answer.json();
  if (!answer.ok) throw new Refusal(`The network refused it: ${found.detail}`);
  return found;
}

function why(error) {
  if (error instanceof Refusal) return error.message;
  if (error.code === USER_REJECTED) return "You declined in the wallet; nothing was sent.";
  return `It did not work: ${error.message ?? error}`;
}

async function sign(half, enrolment) {
  const wallet = window.ethereum ?? announced;
  if (!wallet) {
    say("There is no wallet in this browser. Open the link in one that has.", true);
    return;
  }
  button.disabled = true;
  try {
    say("Look into your wallet…");
    const second = await signature(wallet, enrolment);
    say("Sending…");
    const found = await post(withSignature(half, second));
    button.hidden = true;
    say(
      `Enrolled: the device works for you from epoch ${found.epoch} on. ` +
        "You can close this page; the terminal goes on by itself.",
    );
  } catch (error) {
    say(why(error), true);
  } finally {
    button.disabled = false;
  }
}

function show() {
  const code = window.location.hash.slice(1);
  if (!code) {
    say("This page needs the link that `edgeproof agent enrol --owner` prints.", true);
    return;
  }
  try {
    const half = fromBase64url(code);
    const enrolment = readEnrolment(half);
    document.getElementById("device").textContent = enrolment.device;
    document.getElementById("owner").textContent = enrolment.owner;
    const asked = new Date(Number(enrolment.issuedAt));
    document.getElementById("asked").textContent = asked.toLocaleString();
    button.hidden = false;
    button.onclick = () => sign(half, enrolment);
    say("");
  } catch (error) {
    say(`The link is damaged (${error.message}): copy the whole of it.`, true);
  }
}

window.addEventListener("hashchange", () => window.location.reload());
show();
