#!/usr/bin/env node
// Looks like a native solc to forge: answers --version and --standard-json (on stdin).
import fs from 'node:fs';
import {compile, solc} from './compiler.mjs';

/** Write all of `text` to stdout, which may be a pipe that is full for a moment. */
function print(text) {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length;) {
    try {
      done += fs.writeSync(1, bytes, done);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

const options = process.argv.slice(2);
if (options.includes('--version')) {
  // forge reads the platform out of the version and knows no Emscripten.
  const version = solc.version().replace('Emscripten.clang', 'Linux.g++');
  print(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`);
} else {
  const folders = options.filter((_, i) => ['--base-path', '--include-path'].includes(options[i - 1]));
  print(compile(fs.readFileSync(0, 'utf8'), folders));
}
