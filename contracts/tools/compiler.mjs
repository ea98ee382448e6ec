// The one compiler of this project: npm's solc (WebAssembly), found beside this folder.
import {createRequire} from 'node:module';
import fs from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

export const CONTRACTS = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const MODULES = path.join(CONTRACTS, 'node_modules');
export const solc = createRequire(import.meta.url)('solc');

/** Compile standard JSON (text in, text out), looking up imports in the given folders. */
export function compile(input, folders) {
  const findImport = (name) => {
    for (const folder of [...folders, CONTRACTS, MODULES]) {
      const file = path.resolve(folder, name);
      if (fs.existsSync(file)) return {contents: fs.readFileSync(file, 'utf8')};
    }
    return {error: `${name}: not found under ${folders.join(', ')} or node_modules`};
  };
  return solc.compile(input, {import: findImport});
}
