// USES sctp
//
// Two associations in memory: what the protocol itself costs, without DTLS, sockets and loss.
#include <benchmark/benchmark.h>

#include <array>
#include <chrono>
#include <deque>

#include "sctp/association.hpp"

namespace {

using isotube::Buffer;
using isotube::BufferPool;
using isotube::Bytes;
using isotube::ByteView;
using isotube::Random;
using isotube::TimePoint;
using isotube::sctp::Association;
using isotube::sctp::Settings;
using isotube::sctp::StreamId;

constexpr std::size_t kMessage = 64 * 1024;
constexpr std::int64_t kMany = 16'384;

Random seeded(std::uint8_t number) {
  Random::Seed seed{};
  seed[0] = std::byte{number};
  return Random(seed);
}

/// A sender, a receiver, and a wire that carries packets in batches, as segmentation offload does.
class Wire {
 public:
  explicit Wire(const Settings& settings)
      : sender(settings, seeded(1), sender_pool), receiver(settings, seeded(2), receiver_pool) {
    sender.connect(now);
    while (exchange()) {
    }
  }

  bool exchange() {
    const bool there = carry(sender, receiver);
    const bool back = carry(receiver, sender);
    now += std::chrono::microseconds(50);
    for (Association* each : {&sender, &receiver}) {
      if (each->next_timeout() <= now) each->handle_timeout(now);
      while (std::optional<isotube::sctp::Event> event = each->poll_event()) {
        if (const auto* message = std::get_if<isotube::sctp::MessageReceived>(&*event)) {
          received += message->message.size();
        }
      }
    }
    return there || back;
  }

  TimePoint now{std::chrono::hours(1)};
  BufferPool sender_pool{std::size_t{16} << 20};
  BufferPool receiver_pool{std::size_t{16} << 20};
  Association sender;
  Association receiver;
  std::uint64_t received = 0;

 private:
  static constexpr int kBatch = 44;  ///< datagrams of 1,200 bytes in one call with UDP_SEGMENT

  bool carry(Association& from, Association& to) {
    bool moved = false;
    for (int i = 0; i < kBatch; ++i) {
      const std::size_t length = from.poll_transmit(now, packet_);
      if (length == 0) break;
      moved = true;
      to.handle_packet(now, ByteView(packet_).first(length));
    }
    return moved;
  }

  std::array<std::byte, 1200> packet_{};
};

/// `state.range(0)` bytes are kept in flight, `state.range(1)` says whether chunks are interleaved.
void transfer(benchmark::State& state) {
  const auto in_flight = static_cast<std::size_t>(state.range(0));
  Settings settings;
  settings.receive_window = std::max(settings.receive_window, 2 * in_flight);
  settings.send_limit = settings.receive_window;
  settings.offer_interleaving = state.range(1) != 0;
  Wire wire(settings);
  const Bytes payload(kMessage, std::byte{7});
  for (auto _ : state) {
    const std::uint64_t goal = wire.received + kMessage;
    while (wire.received < goal) {
      while (wire.sender.buffered_amount() + kMessage <= in_flight + kMessage / 2) {
        Buffer message = wire.sender_pool.copy_of(payload);
        if (!wire.sender.send(wire.now, StreamId{1}, {}, std::move(message))) break;
      }
      if (!wire.exchange()) wire.now = std::max(wire.now, wire.receiver.next_timeout());
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kMessage));
}
BENCHMARK(transfer)
    ->ArgNames({"in_flight", "interleaved"})
    ->ArgsProduct({{64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20}, {0, 1}});

/// Messages of 100 bytes: what a chunk costs.
void small_messages(benchmark::State& state) {
  Wire wire(Settings{});
  const Bytes payload(100, std::byte{7});
  for (auto _ : state) {
    const std::uint64_t goal = wire.received + kMany * payload.size();
    std::int64_t to_send = kMany;
    while (wire.received < goal) {
      while (to_send > 0 &&
             wire.sender.send(wire.now, StreamId{1}, {}, wire.sender_pool.copy_of(payload)).has_value()) {
        --to_send;
      }
      if (!wire.exchange()) wire.now = std::max(wire.now, wire.receiver.next_timeout());
    }
  }
  state.SetItemsProcessed(state.iterations() * kMany);
}
BENCHMARK(small_messages);

/// From INIT to Connected on both sides.
void handshake(benchmark::State& state) {
  for (auto _ : state) {
    Wire wire(Settings{});
    benchmark::DoNotOptimize(wire.sender.state());
  }
}
BENCHMARK(handshake);

}  // namespace
