// Isotube's own peer: the program interop_echo_peer, spoken to in lines of JSON. It serves; it does not examine.
import { spawn } from 'node:child_process';
import readline from 'node:readline';

export async function start({ echoPeer }) {
  const child = spawn(echoPeer, { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = [];
  let problem;
  const drop = (error) => {
    problem ??= error;
    for (const { reject } of waiting.splice(0)) reject(problem);
  };
  const exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? signal)));
  child.on('error', drop);
  exited.then((status) => drop(new Error(`${echoPeer} ended with ${status}`)));
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    const message = JSON.parse(line);
    if (message.error) drop(new Error(message.error));
    else waiting.shift()?.resolve(message);
  });
  const ask = (message) =>
    new Promise((resolve, reject) => {
      if (problem) return reject(problem);
      waiting.push({ resolve, reject });
      child.stdin.write(`${JSON.stringify(message)}\n`);
    });
  return {
    maxMessageSize: 262_144,
    offer: async () => (await ask({ do: 'offer' })).sdp,
    answer: async (sdp) => (await ask({ do: 'answer', sdp })).sdp,
    accept: (sdp) => ask({ do: 'accept', sdp }),
    serve: (limits) => ask({ do: 'serve', ...limits }),
    async close() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
      const status = await exited;
      clearTimeout(timer);
      if (status !== 0) throw new Error(`${echoPeer} ended with ${status}`);
    },
  };
}

export async function end() {}
