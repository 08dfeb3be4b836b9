// What `isotube bench --json` measures, measured of libdatachannel: two peers of one process, one data channel, loopback.
//
//   node libdatachannel.mjs SECONDS MESSAGE-SIZE     prints one JSON object
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../tests/interop/peers/package.json', import.meta.url));
const { PeerConnection } = require('node-datachannel');

const [seconds, messageSize] = process.argv.slice(2).map(Number);
const openings = 11;
const mostQueued = 1 << 20;
const requestSize = 64;

const now = () => Number(process.hrtime.bigint()) / 1e6;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))];

/// Hands the description over once it has all candidates, which on loopback costs under a millisecond.
function tell(from, to) {
  from.onGatheringStateChange((state) => {
    if (state !== 'complete') return;
    const { sdp, type } = from.localDescription();
    to.setRemoteDescription(sdp, type);
  });
}

async function open() {
  const begun = now();
  const settings = { iceServers: [], maxMessageSize: 262_144 };
  const offerer = new PeerConnection('offerer', settings);
  const answerer = new PeerConnection('answerer', settings);
  tell(offerer, answerer);
  tell(answerer, offerer);
  const accepted = new Promise((resolve) => answerer.onDataChannel(resolve));
  const channel = offerer.createDataChannel('bench');
  await new Promise((resolve) => channel.onOpen(resolve));
  const other = await accepted;
  const close = () => {
    offerer.close();
    answerer.close();
  };
  return { channel, other, opening: now() - begun, close };
}

async function roundTrips(channel, other, duration) {
  const times = [];
  const request = Buffer.alloc(requestSize, 'x');
  const end = now() + duration;
  other.onMessage((message) => other.sendMessageBinary(message));
  await new Promise((resolve) => {
    let asked = now();
    channel.onMessage(() => {
      times.push(now() - asked);
      if (now() >= end) return resolve();
      asked = now();
      channel.sendMessageBinary(request);
    });
    channel.sendMessageBinary(request);
  });
  channel.onMessage(() => {});
  return times;
}

async function throughput(channel, other, duration) {
  let received = 0;
  other.onMessage((message) => {
    received += message.length;
  });
  const message = Buffer.alloc(messageSize, 'x');
  const fill = () => {
    while (channel.bufferedAmount() < mostQueued) channel.sendMessageBinary(message);
  };
  channel.setBufferedAmountLowThreshold(mostQueued / 2);
  channel.onBufferedAmountLow(fill);
  fill();
  await pause(500);
  const [before, begun] = [received, now()];
  await pause(duration);
  return (received - before) / ((now() - begun) / 1000);
}

const opened = [];
for (let i = 0; i <= openings; ++i) {
  const pair = await open();
  if (i > 0) opened.push(pair.opening);
  pair.close();
}
const { channel, other } = await open();
const times = await roundTrips(channel, other, 500 * seconds);
const rate = await throughput(channel, other, 1000 * seconds);
console.log(
  JSON.stringify({
    open_ms: quantile(opened, 0.5),
    megabytes_per_second: rate / 1e6,
    message_size: messageSize,
    round_trip_p50_us: quantile(times, 0.5) * 1000,
    round_trip_p99_us: quantile(times, 0.99) * 1000,
  }),
);
process.exit(0);
