#include "unit/sctp/link.hpp"

#include <algorithm>

namespace isotube::sctp {

namespace {

void record(Side& side, Event event) {
  EXPECT_FALSE(side.is_closed()) << "an event after Closed";
  if (auto* message = std::get_if<MessageReceived>(&event)) {
    if (side.on_message) return side.on_message(*message);
    side.messages.push_back({message->stream, message->ppid, message->ordered, to_bytes(message->message.view())});
  } else if (const auto* incoming = std::get_if<IncomingStreamsReset>(&event)) {
    side.messages_before_reset = side.messages.size();
    side.incoming_reset.insert(side.incoming_reset.end(), incoming->streams.begin(), incoming->streams.end());
  } else if (const auto* outgoing = std::get_if<OutgoingStreamsReset>(&event)) {
    side.outgoing_reset.insert(side.outgoing_reset.end(), outgoing->streams.begin(), outgoing->streams.end());
  } else if (const auto* refused = std::get_if<OutgoingResetRefused>(&event)) {
    side.reset_refused.insert(side.reset_refused.end(), refused->streams.begin(), refused->streams.end());
  } else if (const auto* low = std::get_if<BufferedAmountLow>(&event)) {
    side.low.push_back(low->stream);
  } else if (const auto* closed = std::get_if<Closed>(&event)) {
    side.closed.push_back(*closed);
  } else {
    ++side.connected;
  }
}

/// RFC 9260 4: INIT travels alone and without a tag; everything else carries the receiver's tag, but for an ABORT or
/// SHUTDOWN-COMPLETE with the T bit.
void check_sent(const wire::Packet& packet, Side& from, Side& to) {
  EXPECT_FALSE(packet.chunks.empty());
  for (wire::Type type : {wire::Type::Init, wire::Type::InitAck}) {
    if (const wire::Chunk* chunk = packet.find(type)) from.announced_tags.insert(wire::u32_at(chunk->value, 0));
  }
  if (packet.has(wire::Type::Init)) {
    EXPECT_EQ(packet.chunks.size(), 1U);
    EXPECT_EQ(packet.tag, 0U);
    return;
  }
  if (packet.has(wire::Type::InitAck)) {
    EXPECT_EQ(packet.chunks.size(), 1U);
    return;
  }
  // RFC 9260 6.10: control chunks come before DATA.
  const auto first_data = std::ranges::find_if(packet.chunks, &wire::Chunk::is_data);
  EXPECT_TRUE(std::all_of(first_data, packet.chunks.end(), std::mem_fn(&wire::Chunk::is_data)));
  const bool reflected = std::ranges::any_of(packet.chunks, [](const wire::Chunk& chunk) {
    return (chunk.type == wire::Type::Abort || chunk.type == wire::Type::ShutdownComplete) && chunk.has(1);
  });
  if (reflected) return;
  EXPECT_TRUE(to.announced_tags.contains(packet.tag));
  to.tag = packet.tag;
}

}  // namespace

Random seeded(std::uint64_t seed, std::uint8_t number) {
  Random::Seed bytes{};
  SpanWriter writer(bytes);
  writer.u64(seed);
  writer.u8(number);
  return Random(bytes);
}

Side::Side(const Settings& own_settings, std::uint64_t seed, std::uint8_t number)
    : settings(own_settings), association(std::make_unique<Association>(own_settings, seeded(seed, number), pool)) {}

Side::~Side() {
  EXPECT_EQ(association->counters().packets_sent, polled);
  EXPECT_LE(closed.size(), 1U);
  association.reset();
  EXPECT_EQ(pool.stats().in_use_bytes, 0U) << "a buffer outlived its association";
}

std::size_t Side::sent_chunks(wire::Type type) const {
  std::size_t count = 0;
  for (const Sent& each : sent) {
    count += static_cast<std::size_t>(std::ranges::count(each.packet.chunks, type, &wire::Chunk::type));
  }
  return count;
}

std::vector<const Sent*> Side::data_packets() const {
  std::vector<const Sent*> found;
  for (const Sent& each : sent) {
    if (each.packet.has_data()) found.push_back(&each);
  }
  return found;
}

Link::Link(Options options)
    : network(options.network), a(options.a, options.seed, 1), z(options.z, options.seed, 2), dice_(options.seed) {
  packet_.resize(std::max(options.a.max_packet, options.z.max_packet));
}

Link::~Link() = default;

bool Link::connect() {
  a->connect(now);
  return run_until([this] { return a.connected == 1 && z.connected == 1; });
}

bool Link::run_until(const std::function<bool()>& done, Duration limit) {
  const TimePoint end = now + limit;
  int steps_at_one_time = 0;
  while (true) {
    if (on_step) on_step();
    drain();
    if (done()) return true;
    const TimePoint next = next_wakeup();
    if (next > end) break;
    steps_at_one_time = next > now ? 0 : steps_at_one_time + 1;
    if (steps_at_one_time > kStepsAtOneTime) {
      ADD_FAILURE() << "time stands still";
      return false;
    }
    now = std::max(now, next);
    deliver_due();
    for (Side* side : {&a, &z}) {
      if ((*side)->next_timeout() <= now) (*side)->handle_timeout(now);
    }
  }
  now = end;
  return false;
}

TimePoint Link::next_wakeup() const {
  TimePoint next = std::min(a.association->next_timeout(), z.association->next_timeout());
  if (!flights_.empty()) next = std::min(next, flights_.begin()->first);
  return next;
}

void Link::deliver_due() {
  while (!flights_.empty() && flights_.begin()->first <= now) {
    const Flight flight = std::move(flights_.extract(flights_.begin()).mapped());
    (*flight.to)->handle_packet(now, flight.bytes);
  }
}

void Link::drain() {
  while (drain(a, z) || drain(z, a)) {
  }
}

bool Link::drain(Side& from, Side& to) {
  bool moved = false;
  for (int count = 0;; ++count) {
    const std::size_t length = from->poll_transmit(now, packet_);
    if (length == 0) break;
    if (count == kPacketsAtOnce) {
      ADD_FAILURE() << "poll_transmit never ends";
      break;
    }
    ++from.polled;
    moved = true;
    EXPECT_LE(length, from.settings.max_packet);
    transmit(from, to, ByteView(packet_).first(length));
  }
  while (from.reading) {
    std::optional<Event> event = from->poll_event();
    if (!event) break;
    moved = true;
    record(from, std::move(*event));
  }
  return moved;
}

void Link::transmit(Side& from, Side& to, ByteView bytes) {
  std::optional<wire::Packet> packet = wire::read(bytes);
  if (!packet) {
    ADD_FAILURE() << "a malformed packet was sent";
    return;
  }
  check_sent(*packet, from, to);
  // The dice fall for every packet, lost or not: what one filter does must not shift the others' luck.
  const bool lost_by_dice = dice() < network.loss;
  const bool doubled = dice() < network.duplicates;
  const bool lost = (from.drop_if && from.drop_if(*packet)) || lost_by_dice;
  if (from.keep_sent) from.sent.push_back({now, to_bytes(bytes), *packet, lost});
  const Duration held = from.hold ? from.hold(*packet) : Duration{};
  Bytes carried = to_bytes(bytes);
  if (from.rewrite) {
    from.rewrite(*packet);
    carried = wire::write(*packet);
  }
  for (int copy = 0; copy < (doubled ? 2 : 1); ++copy) {
    const Duration jitter(static_cast<Duration::rep>(dice() * static_cast<double>(network.jitter.count())));
    if (!lost) flights_.emplace(now + network.delay + jitter + held, Flight{&to, carried});
  }
}

std::expected<void, SendError> Link::send(Side& from, std::uint16_t stream, ByteView bytes, SendOptions options) {
  return from->send(now, StreamId{stream}, options, from.pool.copy_of(bytes));
}

void Link::inject(Side& to, wire::Packet packet) {
  if (packet.tag == 0 && !packet.has(wire::Type::Init)) packet.tag = to.tag;
  inject_bytes(to, wire::write(packet));
}

void Link::inject_bytes(Side& to, ByteView bytes) {
  // Whoever seems to have sent an INIT may be answered under its tag.
  constexpr std::size_t kTag = wire::kHeader + 4;
  const bool is_init =
      bytes.size() >= kTag + 4 && (bytes[wire::kHeader] == std::byte{1} || bytes[wire::kHeader] == std::byte{2});
  if (is_init) (&to == &a ? z : a).announced_tags.insert(wire::u32_at(bytes, kTag));
  to->handle_packet(now, bytes);
  drain();
}

Bytes random_bytes(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; i += 8) {
    const std::uint64_t word = generator();
    std::memcpy(bytes.data() + i, &word, std::min<std::size_t>(8, size - i));
  }
  return bytes;
}

std::function<bool(const wire::Packet&)> drop_first(wire::Type type, int count) {
  return [type, count](const wire::Packet& packet) mutable { return packet.has(type) && count-- > 0; };
}

}  // namespace isotube::sctp
