// Builds the artifacts that the Python package ships: ABI and creation code.
//   node tools/build.mjs           writes ../chain/artifacts/*.json
//   node tools/build.mjs --check   compares with what is committed; exit 1 if they differ
// Deterministic: a pinned compiler, fixed settings, and no metadata hash in the code.
import fs from 'node:fs';
import path from 'node:path';
import {CONTRACTS, compile, solc} from './compiler.mjs';

const SHIPPED = {'src/EdgeproofToken.sol': 'EdgeproofToken', 'src/Distributor.sol': 'Distributor'};
const ARTIFACTS = path.resolve(CONTRACTS, '..', 'chain', 'artifacts');

const sources = Object.keys(SHIPPED).map((name) => [
  name,
  {content: fs.readFileSync(path.join(CONTRACTS, name), 'utf8')},
]);
const settings = {
  evmVersion: 'cancun',
  optimizer: {enabled: true, runs: 10000},
  metadata: {bytecodeHash: 'none', appendCBOR: false},
  outputSelection: {'*': {'*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object']}},
};
const output = JSON.parse(
  compile(JSON.stringify({language: 'Solidity', sources: Object.fromEntries(sources), settings}), [CONTRACTS]),
);
const errors = (output.errors ?? []).filter((entry) => entry.severity === 'error');
if (errors.length) {
  console.error(errors.map((entry) => entry.formattedMessage).join('\n'));
  process.exit(1);
}

const check = process.argv.includes('--check');
let stale = 0;
for (const [source, name] of Object.entries(SHIPPED)) {
  const contract = output.contracts[source][name];
  const text = JSON.stringify({
    contractName: name,
    compiler: `solc ${solc.version()}`,
    settings: {evmVersion: settings.evmVersion, optimizerRuns: settings.optimizer.runs},
    abi: contract.abi,
    bytecode: `0x${contract.evm.bytecode.object}`,
  }, null, 1) + '\n';
  const file = path.join(ARTIFACTS, `${name}.json`);
  const size = contract.evm.deployedBytecode.object.length / 2;
  if (!check) {
    fs.mkdirSync(ARTIFACTS, {recursive: true});
    fs.writeFileSync(file, text);
    console.log(`${name}: ${size} bytes of code`);
  } else if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== text) {
    console.error(`chain/artifacts/${name}.json is not what contracts/src builds to`);
    stale += 1;
  } else {
    console.log(`${name}: ${size} bytes of code, as committed`);
  }
}
if (stale) {
  console.error('try: sh contracts/check.sh --write, and commit chain/artifacts');
  process.exit(1);
}
