// USES sctp
//
// An association in each state of its life is fed what the fuzzer makes: packets (raw, or with ports, tag and checksum
// made right so that the parsers behind them see the damage), commands, and time. Whatever comes, its own rules hold:
// at most one Closed and nothing after it, polling ends, time gets on, counters and buffers add up.
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "../unit/sctp/wire.hpp"
#include "base/assert.hpp"
#include "sctp/association.hpp"

namespace {

using namespace isotube;  // NOLINT(google-build-using-namespace)
using isotube::sctp::Association;
using isotube::sctp::StreamId;
using std::chrono::milliseconds;

/// More packets or events than this for one step is a loop.
constexpr int kMostAtOnce = 20'000;

Random seeded(std::uint8_t number) {
  Random::Seed seed{};
  seed[0] = std::byte{number};
  return Random(seed);
}

sctp::Settings small_settings(bool interleaving) {
  sctp::Settings settings;
  settings.receive_window = 64 * 1024;
  settings.send_limit = 64 * 1024;
  settings.max_message = 32 * 1024;
  settings.streams = 64;
  settings.offer_interleaving = interleaving;
  return settings;
}

/// Drains an association and holds it to its contract.
class Subject {
 public:
  Subject(std::uint8_t number, bool interleaving)
      : association(small_settings(interleaving), seeded(number), pool_), packet_(2000) {}
  ~Subject() { ISOTUBE_ASSERT(pool_.stats().in_use_bytes <= std::size_t{4} << 20); }
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  /// Packets go to `carry`, if it is there, and to `other` if that is.
  void drain(TimePoint now, Subject* other) {
    bool moved = true;
    for (int count = 0; moved; ++count) {
      ISOTUBE_ASSERT(count < kMostAtOnce);
      moved = false;
      if (const std::size_t length = association.poll_transmit(now, packet_)) {
        moved = true;
        take(ByteView(packet_).first(length));
        if (other != nullptr) other->association.handle_packet(now, ByteView(packet_).first(length));
      }
      if (std::optional<sctp::Event> event = association.poll_event()) {
        moved = true;
        ISOTUBE_ASSERT(!closed_);
        closed_ = std::holds_alternative<sctp::Closed>(*event);
      }
    }
    ISOTUBE_ASSERT(!closed_ || association.state() == sctp::State::Closed);
    ISOTUBE_ASSERT(!closed_ || association.next_timeout() == kNever);
    ISOTUBE_ASSERT(!closed_ || association.buffered_amount() == 0);
    ISOTUBE_ASSERT(association.counters().packets_sent == sent_);
  }

  [[nodiscard]] bool is_closed() const { return closed_; }
  [[nodiscard]] std::uint32_t tag() const { return tag_; }
  BufferPool& pool() { return pool_; }

 private:
  BufferPool pool_;

 public:
  Association association;

 private:
  void take(ByteView bytes) {
    ++sent_;
    ISOTUBE_ASSERT(bytes.size() <= sctp::Settings().max_packet);
    const std::optional<sctp::wire::Packet> packet = sctp::wire::read(bytes);
    ISOTUBE_ASSERT(packet.has_value());
    for (sctp::wire::Type type : {sctp::wire::Type::Init, sctp::wire::Type::InitAck}) {
      if (const sctp::wire::Chunk* chunk = packet->find(type)) tag_ = sctp::wire::u32_at(chunk->value, 0);
    }
  }

  Bytes packet_;
  std::uint32_t tag_ = 0;
  std::uint64_t sent_ = 0;
  bool closed_ = false;
};

class Run {
 public:
  explicit Run(ByteView input) : input_(input), first_(input_.u8()), subject_(1, (first_ & 1) != 0), peer_(2, true) {}

  void go() {
    bring_to_state((first_ >> 1) & 7);
    for (int step = 0; step < 200 && input_.remaining() > 0; ++step) {
      act(input_.u8());
      subject_.drain(now_, peer_listens_ ? &peer_ : nullptr);
      if (peer_listens_) peer_.drain(now_, &subject_);
    }
    // Alone from now on, the association comes to rest or to its end.
    for (int step = 0; step < 2'000 && subject_.association.next_timeout() != kNever; ++step) wait_for_timeout();
  }

 private:
  /// Legal lives up to a point; from there on the fuzzer is the peer.
  void bring_to_state(int which) {
    if (which == 0) return;
    if (which != 3) subject_.association.connect(now_);
    if (which == 1) return subject_.drain(now_, nullptr);
    if (which == 2) {  // CookieEchoed: the answer to INIT came, and no more
      subject_.drain(now_, &peer_);
      return peer_.drain(now_, &subject_);
    }
    if (which == 3) peer_.association.connect(now_);
    exchange(10);
    if (which >= 5) send(3, 20'000, {});
    if (which == 6) subject_.association.shutdown(now_);
    if (which == 7) {
      const std::array streams{StreamId{1}, StreamId{2}};
      subject_.association.reset_streams(now_, streams);
    }
    subject_.drain(now_, nullptr);
  }

  void exchange(int times) {
    for (int i = 0; i < times; ++i) {
      subject_.drain(now_, &peer_);
      peer_.drain(now_, &subject_);
    }
  }

  void act(std::uint8_t what) {
    switch (what % 12) {
      case 0:
        return subject_.association.handle_packet(now_, input_.bytes(std::min<std::size_t>(input_.u8(), rest())));
      case 1:
      case 2:
      case 3:
      case 4:
        return packet(input_.u8());
      case 5:
        now_ += milliseconds(input_.u16());
        return subject_.association.handle_timeout(now_);
      case 6:
        return wait_for_timeout();
      case 7:
        return send(input_.u8(), input_.u16() % 40'000, options(input_.u8()));
      case 8: {
        const std::array streams{StreamId{input_.u8()}, StreamId{input_.u8()}};
        return subject_.association.reset_streams(now_, streams);
      }
      case 9:
        peer_listens_ = !peer_listens_;
        return;
      case 10:
        subject_.association.set_buffered_amount_low_threshold(StreamId{input_.u8()}, input_.u16());
        return subject_.association.set_peer_max_message(input_.u16());
      default:
        return end(input_.u8());
    }
  }

  /// Chunks of the fuzzer's behind a right header; TSNs and the like are near those that count, so that they matter.
  void packet(std::uint8_t size) {
    Bytes bytes(sctp::wire::kHeader);
    const ByteView chunks = input_.bytes(std::min<std::size_t>(size, rest()));
    bytes.insert(bytes.end(), chunks.begin(), chunks.end());
    sctp::wire::put_u16(bytes, 0, 5000);
    sctp::wire::put_u16(bytes, 2, 5000);
    const bool is_init = !chunks.empty() && chunks.front() == std::byte{1};
    sctp::wire::put_u32(bytes, 4, is_init ? 0 : subject_.tag());
    make_near(bytes);
    sctp::wire::fix_checksum(bytes);
    subject_.association.handle_packet(now_, bytes);
  }

  /// The first word of the value is an offset from the peer's or our next TSN where the chunk has one.
  void make_near(MutableByteView bytes) {
    constexpr std::size_t kValue = sctp::wire::kHeader + 4;
    if (bytes.size() < kValue + 4) return;
    const auto type = static_cast<sctp::wire::Type>(bytes[sctp::wire::kHeader]);
    const std::uint32_t offset = sctp::wire::u32_at(bytes, kValue);
    if ((offset & 0xFFFF0000) != 0) return;
    const bool is_of_peer = type == sctp::wire::Type::Data || type == sctp::wire::Type::InterleavedData ||
                            type == sctp::wire::Type::ForwardTsn || type == sctp::wire::Type::InterleavedForwardTsn;
    const bool is_of_ours = type == sctp::wire::Type::Sack || type == sctp::wire::Type::Shutdown;
    if (is_of_peer) sctp::wire::put_u32(bytes, kValue, first_tsn(2) + offset - 8);
    if (is_of_ours) sctp::wire::put_u32(bytes, kValue, first_tsn(1) + offset - 8);
  }

  /// The first TSN of the association of this number: drawn from its seed, so another of the same seed tells it.
  static std::uint32_t first_tsn(std::uint8_t number) {
    BufferPool pool;
    Association twin(small_settings(true), seeded(number), pool);
    twin.connect(TimePoint{});
    std::array<std::byte, 2000> bytes{};
    (void)twin.poll_transmit(TimePoint{}, bytes);
    return sctp::wire::u32_at(bytes, sctp::wire::kHeader + 4 + 12);
  }

  static sctp::SendOptions options(std::uint8_t bits) {
    sctp::SendOptions options{.ordered = (bits & 1) != 0};
    if ((bits & 6) == 2) options.max_retransmissions = bits >> 4;
    if ((bits & 6) == 4) options.lifetime = milliseconds(bits);
    return options;
  }

  void send(std::uint8_t stream, std::size_t size, const sctp::SendOptions& how) {
    Buffer message = subject_.pool().acquire(0, size);
    std::ranges::fill(message.append(size), std::byte{stream});
    const std::size_t before = subject_.association.buffered_amount();
    const auto sent = subject_.association.send(now_, StreamId{stream}, how, std::move(message));
    ISOTUBE_ASSERT(subject_.association.buffered_amount() == before + (sent ? size : 0));
  }

  void end(std::uint8_t how) {
    if (how % 8 == 0) return subject_.association.abort(now_, "the fuzzer says so");
    if (how % 8 == 1) return subject_.association.shutdown(now_);
    if (how % 8 == 2) return subject_.association.connect(now_);
  }

  void wait_for_timeout() {
    const TimePoint next = subject_.association.next_timeout();
    if (next == kNever) return;
    now_ = std::max(now_, next);
    subject_.association.handle_timeout(now_);
    subject_.drain(now_, nullptr);
    ISOTUBE_ASSERT(subject_.association.next_timeout() > now_);
  }

  [[nodiscard]] std::size_t rest() const { return input_.remaining(); }

  ByteReader input_;
  std::uint8_t first_;
  Subject subject_;
  Subject peer_;
  bool peer_listens_ = false;
  TimePoint now_{std::chrono::hours(1)};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Run(std::as_bytes(std::span(data, size))).go();
  return 0;
}
