// Tries Isotube's peer, or one stack, against real stacks, each in both roles.
//
//   node run.mjs --echo-peer PROGRAM [STACK…]   Isotube's peer with each stack (default: all)
//   node run.mjs --with STACK [STACK…]          chromium or libdatachannel with others: a check of these scripts alone
//
// Ends with 0 if all that was tried worked, 1 if not, 2 if it was called wrongly. The last line counts.
import { webcrypto } from 'node:crypto';
import { parseArgs } from 'node:util';

globalThis.crypto ??= webcrypto;

const limitPerPair = 180_000;
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

function withLimit(promise, what) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${limitPerPair / 1000} s`)), limitPerPair);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
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
  for (const { name, error, note } of lines) {
    console.log(`${error ? 'FAILED' : 'passed'}  ${title}: ${name}${note ? ` (${note})` : ''}${error ? `\n        ${error}` : ''}`);
  }
  return lines;
}

async function main(options) {
  const modules = new Map();
  for (const name of new Set([...options.examiners, options.server])) modules.set(name, await import(`./stacks/${name}.mjs`));
  const lines = [];
  for (const examiner of options.examiners) {
    if (examiner === options.server) continue;
    for (const offers of [examiner, options.server]) {
      lines.push(...(await runPair(modules, [examiner, options.server], offers, options)));
    }
  }
  for (const stack of modules.values()) await stack.end();
  const failed = lines.filter((line) => line.error).length;
  console.log(`${lines.length - failed} passed, ${failed} failed, 0 skipped`);
  return failed > 0 || lines.length === 0 ? 1 : 0;
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
