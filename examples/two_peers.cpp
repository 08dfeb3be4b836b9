// Two peers in one process, joined by hand: no sockets, no threads, and time that passes because this program says so.
// A program with sockets does the same: it hands in what recvmsg gave and sends what poll_transmit() gives.
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "base/buffer.hpp"
#include "base/random.hpp"
#include "dtls/certificate.hpp"
#include "peer/peer.hpp"

namespace {

using namespace isotube;

/// Everything that belongs to one connection: it lives and dies together and shares nothing with any other.
struct Connection {
  Connection(std::byte seed, const char* address)
      : address_of_ours(*Address::parse(address)),
        // A real program takes its seed from the operating system.
        peer(peer::Settings{}, Random(Random::Seed{seed}), pool, dtls::Certificate::generate(1'700'000'000)) {}

  Address address_of_ours;
  BufferPool pool;  // before the peer: its buffers go back here
  peer::Peer peer;
};

TimePoint now{std::chrono::hours(1)};
const auto batch = std::make_unique<peer::TransmitBatch>();

/// Hands all datagrams that `from` wants to send to `to`.
void carry(Connection& from, Connection& to) {
  while (from.peer.poll_transmit(now, *batch)) {
    for (ByteView rest = batch->bytes(); !rest.empty();) {
      const ByteView datagram = rest.first(std::min(rest.size(), batch->segment_size()));
      to.peer.handle_datagram(now, {to.address_of_ours, from.address_of_ours}, datagram);
      rest = rest.subspan(datagram.size());
    }
  }
}

/// Lets both run for a while; `on_event` sees what the second one reports.
template <typename OnEvent>
void run(Connection& one, Connection& other, Duration how_long, OnEvent on_event) {
  for (const TimePoint end = now + how_long; now < end; now += std::chrono::milliseconds(1)) {
    one.peer.handle_timeout(now);
    other.peer.handle_timeout(now);
    carry(one, other);
    carry(other, one);
    while (auto event = other.peer.poll_event()) on_event(*event);
    while (one.peer.poll_event()) continue;
  }
}

}  // namespace

int main() {
  Connection alice(std::byte{1}, "192.0.2.1:1000");
  Connection bob(std::byte{2}, "192.0.2.2:2000");

  // Signalling: the descriptions go from one to the other in whatever way the program likes, as text by sdp::to_string.
  for (Connection* each : {&alice, &bob}) {
    each->peer.add_local_address(now, each->address_of_ours);
    each->peer.end_of_local_addresses(now);
  }
  const sdp::Description offer = alice.peer.create_offer(now);
  const auto answer = bob.peer.accept_offer(now, offer);
  if (!answer || !alice.peer.set_answer(now, *answer)) return 1;
  run(alice, bob, std::chrono::milliseconds(100), [](const peer::Event&) {});

  const auto channel = alice.peer.open_channel(now, {.label = "greetings", .protocol = "example"});
  if (!channel) return 1;
  Buffer greeting = alice.pool.copy_of(as_byte_view("hello, bob"));
  if (!alice.peer.send(now, *channel, datachannel::MessageKind::Text, std::move(greeting))) return 1;

  std::string heard;
  run(alice, bob, std::chrono::milliseconds(100), [&](const peer::Event& event) {
    if (const auto* message = std::get_if<datachannel::Message>(&event)) heard = as_text(message->payload.view());
  });
  std::printf("bob heard: %s\n", heard.c_str());
  return heard == "hello, bob" ? 0 : 1;
}
