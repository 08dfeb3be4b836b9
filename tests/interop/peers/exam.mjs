// What two peers do to try each other's data channels: one examines, the other serves. Runs in node and in a page, on
// channels with the interface of the W3C.
//
// The server's side, by label of a channel that the examiner opened:
//   command  text "open LABEL": it opens a reliable channel of that label, which then echoes;
//            text "close LABEL": it closes the channel of that label
//            text "empty LABEL": it sends an empty text and an empty binary message on that channel
//   bulk     text "send BYTES": it sends so many bytes, then text "sha256 HEX" of them; and for what it received when
//            the other's "sha256 HEX" comes, text "match" or "mismatch"
//   any other label echoes each message as it came.

const timeLimit = 240_000;
const queueLimit = 1 << 20;

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function fail(what) {
  throw new Error(what);
}

async function until(what, condition, limit = timeLimit) {
  for (const end = Date.now() + limit; !condition(); await sleep(2)) {
    if (Date.now() > end) fail(`waited ${limit} ms in vain until ${what}`);
  }
}

async function sha256(chunks) {
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', all));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/// Bytes that look random and are the same for the same seed (xorshift32).
function bytesOf(length, seed) {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed;
  for (let i = 0; i < words.length; ++i) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

function equal(one, other) {
  if (typeof one === 'string' || typeof other === 'string') return one === other;
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function shown(message) {
  if (message === undefined) return 'nothing';
  return typeof message === 'string' ? `text of ${message.length} characters` : `${message.length} bytes`;
}

/// A data channel that keeps what it received, and waits.
class Channel {
  constructor(channel) {
    this.channel = channel;
    this.received = [];
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }) => {
      const message = typeof data === 'string' ? data : new Uint8Array(data);
      this.onMessage ? this.onMessage(message) : this.received.push(message);
    };
  }

  get label() {
    return this.channel.label;
  }
  opened() {
    return until(`channel "${this.label}" is open`, () => this.channel.readyState === 'open', 30_000);
  }
  closed() {
    return until(`channel "${this.label}" is closed`, () => this.channel.readyState === 'closed', 30_000);
  }
  async send(message) {
    await until('the send queue has room', () => this.channel.bufferedAmount < queueLimit);
    this.channel.send(message);
  }
  async next() {
    await until(`a message comes on "${this.label}"`, () => this.received.length > 0, 20_000);
    return this.received.shift();
  }
  async expect(message) {
    const came = await this.next();
    if (!equal(came, message)) fail(`"${this.label}": expected ${shown(message)}, got ${shown(came)}`);
  }
  close() {
    this.channel.close();
  }
}

/// Both directions at once: sends `length` bytes in messages of `size`, takes what comes, and compares checksums.
async function transfer(channel, length, size, seed) {
  const chunks = [];
  let claimed;
  let verdict;
  channel.onMessage = (message) => {
    if (typeof message !== 'string') chunks.push(message);
    else if (message.startsWith('sha256 ')) claimed = message.slice(7);
    else verdict = message;
  };
  for (const message of channel.received.splice(0)) channel.onMessage(message);
  const bytes = bytesOf(length, seed);
  for (let at = 0; at < length; at += size) await channel.send(bytes.slice(at, Math.min(at + size, length)));
  await channel.send(`sha256 ${await sha256([bytes])}`);
  await until('the other side sent its checksum', () => claimed !== undefined);
  const matches = claimed === (await sha256(chunks));
  await channel.send(matches ? 'match' : 'mismatch');
  await until('the other side compared checksums', () => verdict !== undefined);
  const received = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return { sent: length, received, matches: matches && verdict === 'match' };
}

export function serve(connection, settings) {
  const open = new Map();
  const take = (channel) => {
    open.set(channel.label, channel);
    if (channel.label === 'command') channel.onMessage = command;
    else if (channel.label === 'bulk') bulk(channel);
    else channel.onMessage = (message) => channel.send(message);
    for (const message of channel.received.splice(0)) channel.onMessage(message);
  };
  const command = (message) => {
    const [verb, label] = message.split(' ');
    if (verb === 'open') take(new Channel(connection.createDataChannel(label)));
    if (verb === 'close') open.get(label)?.close();
    if (verb === 'empty') for (const nothing of ['', new Uint8Array(0)]) open.get(label)?.send(nothing);
  };
  const bulk = async (channel) => {
    const [, length] = (await channel.next()).split(' ');
    await transfer(channel, Number(length), settings.messageSize, 0x5eed);
  };
  connection.ondatachannel = ({ channel }) => take(new Channel(channel));
  take(new Channel(connection.createDataChannel('negotiated', { negotiated: true, id: settings.negotiatedId })));
}

const exams = {
  async 'text and binary messages come back in order'(world) {
    const echo = await world.open('echo');
    const messages = ['text', 'grüße, 世界', bytesOf(256, 1), 'x'.repeat(30_000), new Uint8Array([0])];
    messages.push(bytesOf(world.settings.messageSize, 2), 'last');
    for (const message of messages) await echo.send(message);
    for (const message of messages) await echo.expect(message);
    echo.close();
    await world.closed(echo);
  },

  async 'empty messages go both ways'(world) {
    const echo = await world.open('echo-empty');
    await echo.send('first');
    await echo.expect('first');
    await world.command.send('empty echo-empty');
    await echo.expect('');
    await echo.expect(new Uint8Array(0));
    if (!world.settings.sendsEmpty) return;
    const messages = ['', new Uint8Array(0), 'between', new Uint8Array(0), ''];
    for (const message of messages) await echo.send(message);
    for (const message of messages) await echo.expect(message);
  },

  async 'unordered messages all come back'(world) {
    const echo = await world.open('echo-unordered', { ordered: false });
    for (let i = 0; i < 200; ++i) await echo.send(`message ${i}`);
    const came = new Set();
    for (let i = 0; i < 200; ++i) came.add(await echo.next());
    if (came.size !== 200) fail(`200 different messages were sent, ${came.size} came back`);
  },

  async 'channels of limited reliability carry messages'(world) {
    for (const options of [{ maxRetransmits: 0 }, { maxPacketLifeTime: 1000 }, { ordered: false, maxRetransmits: 3 }]) {
      const echo = await world.open('echo-partial', options);
      // Nothing is promised of the first one; on a path without loss one of many comes back.
      for (let i = 0; i < 20; ++i) await echo.send(`message ${i}`);
      await echo.next();
    }
  },

  async 'a negotiated channel carries messages'(world) {
    const options = { negotiated: true, id: world.settings.negotiatedId };
    const channel = await world.open('negotiated', options);
    await channel.send('hello');
    await channel.expect('hello');
  },

  async '10 MB go each way at once with equal checksums'(world) {
    const channel = await world.open('bulk');
    await channel.send(`send ${world.settings.bulkBytes}`);
    const began = Date.now();
    const result = await transfer(channel, world.settings.bulkBytes, world.settings.messageSize, 0xe8a3);
    if (!result.matches) fail('the checksums differ');
    if (result.received !== world.settings.bulkBytes) fail(`${result.received} bytes came`);
    world.note = `${((2 * world.settings.bulkBytes) / 1e6 / ((Date.now() - began) / 1000)).toFixed(1)} MB/s`;
  },

  async 'the other side opens a channel and closes it'(world) {
    await world.command.send('open from-server');
    const channel = await world.accepted('from-server');
    await channel.send('hello');
    await channel.expect('hello');
    await world.command.send('close from-server');
    await world.closed(channel);
  },

  async 'channels opened and closed in a row use their ids again'(world) {
    const ids = new Set();
    for (let i = 0; i < 20; ++i) {
      const channel = await world.open(`row-${i}`);
      ids.add(channel.channel.id);
      await channel.send('hello');
      await channel.expect('hello');
      channel.close();
      await world.closed(channel);
    }
    // Each stack has its own idea of when an id is free, but none needs a new one each time.
    if (ids.size > 10) fail(`20 channels in a row used ${ids.size} ids`);
  },
};

/// Does all exams in turn. Gives a line on each: { name, error?, note? }.
export async function examine(connection, settings) {
  const accepted = [];
  connection.ondatachannel = ({ channel }) => accepted.push(new Channel(channel));
  const world = {
    settings,
    async open(label, options) {
      const channel = new Channel(connection.createDataChannel(label, options));
      await channel.opened();
      return channel;
    },
    async closed(channel) {
      await channel.closed();
      await sleep(settings.restAfterClose ?? 0);
    },
    async accepted(label) {
      await until(`"${label}" is opened by the other side`, () => accepted.some((each) => each.label === label), 30_000);
      return accepted.find((each) => each.label === label);
    },
  };
  world.command = await world.open('command');
  const lines = [];
  for (const [name, run] of Object.entries(exams)) {
    world.note = undefined;
    try {
      await run(world);
      lines.push({ name, note: world.note });
    } catch (error) {
      lines.push({ name, error: error.message });
    }
  }
  return lines;
}
