// werift: WebRTC in TypeScript.
import { RTCPeerConnection } from 'werift';
import { examine, serve } from '../exam.mjs';
import { gathered } from '../gathered.mjs';

const manners = {
  // It makes nothing at all of an empty message, not even the byte of RFC 8831 6.6.
  sendsEmpty: false,
  // It uses an id again when one direction is reset, and the reset of the other then ends the new channel.
  restAfterClose: 100,
};

/// Its channels take Buffers only.
function adapted(channel) {
  const send = channel.send.bind(channel);
  channel.send = (message) => send(typeof message === 'string' ? message : Buffer.from(message));
  return channel;
}

export async function start() {
  const native = new RTCPeerConnection({ iceServers: [] });
  const connection = {
    createDataChannel: (label, options) => adapted(native.createDataChannel(label, options)),
    set ondatachannel(take) {
      native.ondatachannel = ({ channel }) => take({ channel: adapted(channel) });
    },
  };
  return {
    maxMessageSize: 65_536,
    async offer() {
      native.createDataChannel('first');
      await native.setLocalDescription(await native.createOffer());
      return gathered(native);
    },
    async answer(offer) {
      await native.setRemoteDescription({ type: 'offer', sdp: offer });
      await native.setLocalDescription(await native.createAnswer());
      return gathered(native);
    },
    accept: (answer) => native.setRemoteDescription({ type: 'answer', sdp: answer }),
    serve: async (limits) => serve(connection, limits),
    examine: (limits) => examine(connection, { ...limits, ...manners }),
    close: () => native.close(),
  };
}

export async function end() {}
