// Tries Isotube's peer, or one stack, against real stacks, each in both roles.
//
//   node run.mjs --echo-peer PROGRAM [STACK…]   Isotube's peer with each stack (default: all)
//   node run.mjs --with STACK [STACK…]          chromium or libdatachannel with others: a check of these scripts alone
//
// Ends with 0 if all that was tried worked, 1 if not, 2 if it was called wrongly. The last line counts; results go to
// the file $ISOTUBE_REPORT as well, if there is one.
import { webcrypto } from 'node:crypto';
import fs from 'node:fs';
import { parseArgs } from 'node:util';

globalThis.crypto ??= webcrypto;

const limitPerPair = 400_000;
const stacks = ['chromium', 'libdatachannel', 'werift'];
/// Those that can do all that the serving side must.
const servers = ['chromium', 'libdatachannel'];

function argumentsOf() {
  const { values, positionals } = parseArgs({
    options: { 'echo-peer': { type: 'string' }, with: { type: 'string' }, bytes: { type: 'string' } },
    allowPositionals: true,
  });
  const wrong = positionals.find((each) => !stacks.includes(each));
  if (wrong) throw new Error(`unknown stack "${wrong}": there are ${stacks.join(', ')}`);
  if (values.with && !servers.includes(values.with)) throw new Error(`only ${servers.join(' and ')} can serve`);
  if (!values['echo-peer'] === !values.with) throw new Error('give either --echo-peer PROGRAM or --with STACK');
  return {
    server: values['echo-peer'] ? 'isotube' : values.with,
    echoPeer: values['echo-peer'],
    bulkBytes: Number(values.bytes ?? 10_000_000),
    examiners: positionals.length > 0 ? positionals : stacks,
  };
}

/// What a stack throws out of its own callbacks ends the pair that is being tried, not the whole run.
let interrupt = (error) => console.error(error);
process.on('uncaughtException', (error) => interrupt(error));

function withLimit(promise, what) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${limitPerPair / 1000} s`)), limitPerPair);
    interrupt = reject;
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

const counts = { passed: 0, failed: 0, skipped: 0 };

function report(verdict, name, why) {
  ++counts[verdict];
  console.log(`${verdict === 'failed' ? 'FAILED ' : verdict.padEnd(7)} ${name}${why ? `: ${why}` : ''}`);
  const { ISOTUBE_REPORT: file } = process.env;
  if (!file) return;
  const word = { passed: 'pass', failed: 'fail', skipped: 'skip' }[verdict];
  fs.appendFileSync(file, `${word} interop_peers: ${name}${verdict === 'passed' ? '' : `: ${why}`}\n`);
}

/// One pair: they connect, the examiner examines. Gives the exam's lines.
async function tryPair(examiner, server, offerer, options) {
  const answerer = offerer === examiner ? server : examiner;
  const settings = {
    bulkBytes: options.bulkBytes,
    messageSize: Math.min(examiner.maxMessageSize, server.maxMessageSize, 65_536),
    negotiatedId: 100,
  };
  await server.serve(settings);
  await offerer.accept(await answerer.answer(await offerer.offer()));
  return examiner.examine(settings);
}

async function runPair(modules, names, offers, options) {
  const [examinerName, serverName] = names;
  const title = `${examinerName} with ${serverName}, ${offers} offers`;
  const peers = [];
  let lines;
  try {
    const attempt = async () => {
      for (const name of names) peers.push(await modules.get(name).start(options));
      const [examiner, server] = peers;
      return tryPair(examiner, server, offers === examinerName ? examiner : server, options);
    };
    lines = await withLimit(attempt(), title);
  } catch (error) {
    lines = [{ name: 'connects', error: error.message }];
  }
  for (const [index, peer] of peers.entries()) {
    const ended = `${names[index]} ends in good order`;
    await withLimit(peer.close(), ended).catch((error) => lines.push({ name: ended, error: error.message }));
  }
  for (const { name, error, note } of lines) report(error ? 'failed' : 'passed', `${title}: ${name}`, error ?? note);
}

async function main(options) {
  const modules = new Map();
  for (const name of new Set([options.server, ...options.examiners])) modules.set(name, await import(`./stacks/${name}.mjs`));
  for (const examiner of options.examiners) {
    if (examiner === options.server) continue;
    const missing = modules.get(examiner).missing?.();
    if (missing) {
      report('skipped', examiner, missing);
      continue;
    }
    for (const offers of [examiner, options.server]) await runPair(modules, [examiner, options.server], offers, options);
  }
  for (const stack of modules.values()) await withLimit(stack.end(), 'cleaning up').catch(console.error);
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  return counts.failed > 0 || counts.passed === 0 ? 1 : 0;
}

let options;
try {
  options = argumentsOf();
} catch (error) {
  console.error(error.message);
  process.exit(2);
}
// Sockets and timers that a stack leaves behind must not keep this program alive.
main(options).then(
  (code) => process.exit(code),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
