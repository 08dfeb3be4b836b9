// libdatachannel, through node-datachannel.
import library from 'node-datachannel';
import { examine, serve } from '../exam.mjs';

/// A channel of the library with the interface of the W3C.
class Channel {
  constructor(channel) {
    this.native = channel;
    this.label = channel.getLabel();
    this.readyState = channel.isOpen() ? 'open' : 'connecting';
    channel.onOpen(() => (this.readyState = 'open'));
    channel.onClosed(() => (this.readyState = 'closed'));
    this.early = [];
    channel.onMessage((data) => (this.take ? this.take({ data }) : this.early.push({ data })));
  }

  set onmessage(take) {
    this.take = take;
    for (const event of this.early.splice(0)) take(event);
  }
  get id() {
    return this.native.getId();
  }
  get bufferedAmount() {
    return this.native.bufferedAmount();
  }
  send(message) {
    typeof message === 'string' ? this.native.sendMessage(message) : this.native.sendMessageBinary(message);
  }
  close() {
    this.native.close();
  }
}

export async function start() {
  const native = new library.PeerConnection('peer', { iceServers: [], disableAutoNegotiation: true, maxMessageSize: 262_144 });
  const connection = {
    createDataChannel(label, { ordered = true, ...rest } = {}) {
      return new Channel(native.createDataChannel(label, { unordered: !ordered, ...rest }));
    },
    set ondatachannel(take) {
      native.onDataChannel((channel) => take({ channel: new Channel(channel) }));
    },
  };
  const describe = (type) =>
    new Promise((resolve) => {
      const finish = () => resolve(native.localDescription().sdp);
      native.onGatheringStateChange((state) => state === 'complete' && finish());
      native.setLocalDescription(type);
    });
  return {
    maxMessageSize: 262_144,
    offer() {
      native.createDataChannel('first');
      return describe('offer');
    },
    answer(offer) {
      native.setRemoteDescription(offer, 'offer');
      return describe('answer');
    },
    accept: (answer) => native.setRemoteDescription(answer, 'answer'),
    serve: (limits) => serve(connection, limits),
    examine: (limits) => examine(connection, { ...limits, sendsEmpty: true }),
    async close() {
      native.close();
    },
  };
}

/// The library's own cleanup now and then crashes when a connection has just been closed; ending the process does as well.
export async function end() {}
