#include "unit/tunnel/world.hpp"

#include <algorithm>

namespace isotube::tunnel {
namespace {

constexpr ChannelId kData{0};
constexpr ChannelId kControl{2};

Random::Seed seed_of(std::uint64_t number) {
  Random::Seed seed{};
  SpanWriter(seed).u64(number);
  return seed;
}

Bytes control(const frame::Control& control) {
  BufferPool pool;
  return to_bytes(frame::make_control(pool, control, 0).view());
}

}  // namespace

World::World(std::uint64_t seed, const Weather& weather) : weather_(weather), random_(seed_of(seed)) {
  for (std::size_t site : {0, 1}) {
    Site& self = sites_[site];
    self.session.emplace(weather.settings, site == 0 ? Side::Offerer : Side::Answerer, self.pool);
    self.session->handle_channel_open(now_, kData, "random");
    if (weather.control_channel) self.session->handle_channel_open(now_, kControl, "control");
    drain(site);
  }
  if (weather.hellos == Hellos::BothWithCredit) return;
  // What both say first is swapped on its way.
  const frame::Control first =
      weather.hellos == Hellos::None ? frame::Control(frame::UnknownControl{500}) : frame::Control(frame::Hello{1, 0});
  for (std::size_t site : {0, 1}) wires_[{site, kData}].front() = control(first);
}

std::byte World::expected_byte(std::size_t life, std::size_t writer, std::size_t offset) {
  return static_cast<std::byte>((life * 131 + writer * 61 + offset + (offset >> 8) * 7) & 0xFF);
}

void World::open(std::size_t site) {
  const std::size_t index = lives_.size();
  const auto opened = sites_[site].session->open(now_, Target{"life", static_cast<std::uint16_t>(index)});
  if (!opened) {
    EXPECT_EQ(opened.error(), OpenError::TooManyConnections);
    return;
  }
  Life life{.conn_no = *opened, .opener = site, .ends = {}};
  for (End& end : life.ends) {
    const bool large = random_.below(12) == 0;
    end.to_write = random_.below(large ? weather_.largest_stream : 2000);
    end.slow = random_.below(4) == 0;
  }
  life.ends[site].known = true;
  life.ends[site].accepted = true;
  lives_.push_back(life);
  EXPECT_TRUE(sites_[site].lives.emplace(*opened, index).second) << "a number in use was given out";
  drain(site);
}

void World::write(std::size_t site, std::size_t life) {
  End& end = lives_[life].ends[site];
  Session& session = *sites_[site].session;
  const ConnNo conn_no = lives_[life].conn_no;
  if (!end.accepted || end.eof_written) return;
  if (end.written == end.to_write) {
    end.eof_written = true;
    session.write_eof(now_, conn_no);
    drain(site);
    return;
  }
  const std::size_t most = std::min(session.writable(conn_no), end.to_write - end.written);
  if (most == 0) return;
  const std::size_t size = 1 + random_.below(most);
  Buffer payload = sites_[site].pool.acquire(kHeadroom, size + frame::kTrailerSize);
  for (std::byte& each : payload.append(size)) each = expected_byte(life, site, end.written++);
  session.write(now_, conn_no, std::move(payload));
  drain(site);
  check_credit(lives_[life]);
}

void World::check_credit(const Life& life) const {
  if (!credited()) return;
  for (std::size_t site : {0, 1}) {
    const std::size_t unconsumed = life.ends[site].written - life.ends[1 - site].consumed;
    EXPECT_LE(unconsumed, weather_.settings.initial_credit) << "more was in flight than was ever granted";
  }
}

void World::consume(std::size_t site, std::size_t life, std::size_t at_most) {
  End& end = lives_[life].ends[site];
  const ConnNo conn_no = lives_[life].conn_no;
  const std::size_t size = std::min(at_most, end.received - end.consumed);
  end.consumed += size;
  if (size > 0) sites_[site].session->consumed(now_, conn_no, size);
  drain(site);
  if (end.closed || !end.eof_received || end.eof_delivered || end.consumed < end.received) return;
  end.eof_delivered = true;
  sites_[site].session->delivered_eof(now_, conn_no);
  drain(site);
}

void World::abort(std::size_t site, std::size_t life) {
  const CloseReason reason = site == 0 ? CloseReason::Client : CloseReason::ConnectionLost;
  sites_[site].session->close(now_, lives_[life].conn_no, reason, "aborted");
  drain(site);
}

void World::answer(std::size_t site, std::size_t life) {
  End& end = lives_[life].ends[site];
  if (end.accepted) return;
  if (random_.below(8) == 0) {
    sites_[site].session->close(now_, lives_[life].conn_no, CloseReason::ConnectionFailed, "refused");
  } else {
    end.accepted = true;
    sites_[site].session->accept(now_, lives_[life].conn_no);
  }
  drain(site);
}

void World::touch(std::size_t site, std::size_t life) {
  const std::uint64_t dice = random_.below(100);
  if (dice < 15) {
    answer(site, life);
  } else if (dice < 60) {
    write(site, life);
  } else if (dice < 98) {
    if (!lives_[life].ends[site].slow) consume(site, life, 1 + random_.below(50'000));
  } else {
    abort(site, life);
  }
}

void World::stir(int steps) {
  for (int step = 0; step < steps; ++step) {
    const std::size_t site = random_.below(2);
    const std::uint64_t dice = random_.below(100);
    if (dice < 5) {
      open(site);
    } else if (dice < 35) {
      (void)deliver_any();
    } else if (dice < 36) {
      ++sites_[site].pings;
      sites_[site].session->ping(now_, ConnNo{static_cast<std::uint32_t>(random_.below(30))}, as_byte_view("echo"));
      drain(site);
    } else if (!sites_[site].lives.empty()) {
      auto chosen = sites_[site].lives.begin();
      std::advance(chosen, random_.below(sites_[site].lives.size()));
      touch(site, chosen->second);
    }
    if (testing::Test::HasFailure()) return;
  }
}

bool World::deliver_any() {
  std::vector<std::pair<std::size_t, ChannelId>> full;
  for (const auto& [way, messages] : wires_) {
    if (!messages.empty()) full.push_back(way);
  }
  if (full.empty()) return false;
  const auto way = full[random_.below(full.size())];
  const Bytes message = std::move(wires_[way].front());
  wires_[way].pop_front();
  const std::size_t receiver = 1 - way.first;
  sites_[receiver].session->handle_message(now_, way.second, sites_[receiver].pool.copy_of(message));
  drain(receiver);
  return true;
}

bool World::advance(std::size_t site, std::size_t life) {
  const auto state = [&] {
    const End& end = lives_[life].ends[site];
    return std::tuple(end.accepted, end.written, end.consumed, end.eof_written, end.eof_delivered, end.closed);
  };
  const auto before = state();
  answer(site, life);
  if (!lives_[life].ends[site].closed) write(site, life);
  if (!lives_[life].ends[site].closed) consume(site, life, SIZE_MAX);
  return state() != before;
}

void World::settle() {
  for (bool moved = true; moved && !testing::Test::HasFailure();) {
    moved = false;
    while (deliver_any()) moved = true;
    for (std::size_t site : {0, 1}) {
      const auto lives = sites_[site].lives;
      for (const auto& [conn_no, life] : lives) {
        if (!lives_[life].ends[site].closed && advance(site, life)) moved = true;
      }
    }
  }
}

void World::drain(std::size_t site) {
  Session& session = *sites_[site].session;
  while (auto transmit = session.poll_transmit()) {
    EXPECT_LE(transmit->message.size(), frame::message_limit(weather_.settings.peer_max_message));
    wires_[{site, transmit->channel}].push_back(to_bytes(transmit->message.view()));
  }
  while (auto event = session.poll_event()) take(site, std::move(*event));
}

void World::take(std::size_t site, Event event) {
  Site& self = sites_[site];
  if (const auto* requested = std::get_if<OpenRequested>(&event)) {
    const std::size_t life = requested->target.port;
    EXPECT_EQ(lives_[life].conn_no, requested->conn_no);
    lives_[life].ends[site].known = true;
    EXPECT_TRUE(self.lives.emplace(requested->conn_no, life).second) << "a number in use was asked for";
  } else if (const auto* data = std::get_if<Data>(&event)) {
    const std::size_t life = self.lives.at(data->conn_no);
    End& end = lives_[life].ends[site];
    EXPECT_FALSE(end.eof_received) << "data after the end";
    const bool as_written = std::ranges::all_of(
        data->payload.view(), [&](std::byte each) { return each == expected_byte(life, 1 - site, end.received++); });
    EXPECT_TRUE(as_written) << "a byte lost, doubled or out of order in life " << life;
  } else if (const auto* eof = std::get_if<Eof>(&event)) {
    lives_[self.lives.at(eof->conn_no)].ends[site].eof_received = true;
  } else if (const auto* closed = std::get_if<ConnectionClosed>(&event)) {
    End& end = lives_[self.lives.at(closed->conn_no)].ends[site];
    end.closed = true;
    end.reason = closed->reason;
    self.lives.erase(closed->conn_no);
  } else if (const auto* pong = std::get_if<PongReceived>(&event)) {
    EXPECT_EQ(as_text(pong->echo), "echo");
    ++self.pongs;
  } else if (const auto* tube = std::get_if<TubeClosed>(&event)) {
    ADD_FAILURE() << "the tube closed: " << tube->message;
  }
}

std::size_t World::lives_that_ended_normally() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      lives_, [](const Life& life) { return life.ends[life.opener].reason == CloseReason::Normal; }));
}

void World::expect_all_ended_well() const {
  for (std::size_t site : {0, 1}) {
    EXPECT_EQ(sites_[site].session->connections(), 0u);
    EXPECT_EQ(sites_[site].session->numbers_in_use(), 0u);
    EXPECT_EQ(sites_[site].pings, sites_[site].pongs);
  }
  for (std::size_t index = 0; index < lives_.size(); ++index) {
    const Life& life = lives_[index];
    const End& opener = life.ends[life.opener];
    const End& acceptor = life.ends[1 - life.opener];
    EXPECT_TRUE(opener.closed) << "life " << index;
    EXPECT_EQ(acceptor.known, acceptor.closed) << "life " << index;
    if (opener.reason == CloseReason::Normal && acceptor.reason == CloseReason::Normal) {
      for (std::size_t site : {0, 1}) {
        EXPECT_EQ(life.ends[site].received, life.ends[1 - site].to_write) << "life " << index;
        EXPECT_TRUE(life.ends[site].eof_delivered) << "life " << index;
      }
      continue;
    }
    if (!credited()) continue;  // a full buffer may end one there
    for (const End& end : life.ends) {
      EXPECT_TRUE(end.reason == CloseReason::Client || end.reason == CloseReason::ConnectionLost ||
                  end.reason == CloseReason::ConnectionFailed || end.reason == CloseReason::Normal ||
                  (!acceptor.known && end.reason == CloseReason::Error))
          << "life " << index << ": " << to_string(end.reason);
    }
  }
}

}  // namespace isotube::tunnel
