// Two sessions, the applications at both ends of every connection, and the channels between, all moved by one dice.
// The model knows what each application wrote, so every byte that arrives is checked at once.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "tunnel/session.hpp"

namespace isotube::tunnel {

enum class Hellos : std::uint8_t { BothWithCredit, WithoutCredit, None };

struct Weather {
  Settings settings{};  ///< of both sides
  bool control_channel = false;
  Hellos hellos = Hellos::BothWithCredit;
  std::size_t largest_stream = 100'000;  ///< bytes that an application writes at most
};

class World {
 public:
  World(std::uint64_t seed, const Weather& weather);

  /// So many rolls of the dice: open, accept, refuse, write, half close, abort, consume, deliver a message, ping.
  void stir(int steps);
  /// No new connections and no more aborts: moves everything on until nothing can move.
  void settle();
  /// Every connection has ended on both sides; those that nobody aborted carried every byte both ways.
  void expect_all_ended_well() const;

  [[nodiscard]] std::size_t lives() const { return lives_.size(); }
  [[nodiscard]] std::size_t lives_that_ended_normally() const;

 private:
  /// One end of one connection.
  struct End {
    bool known = false;  ///< opened, or asked for
    bool closed = false;
    bool accepted = false;  ///< may write
    CloseReason reason = CloseReason::Normal;
    std::size_t to_write = 0;
    std::size_t written = 0;
    std::size_t received = 0;
    std::size_t consumed = 0;
    bool eof_written = false;
    bool eof_received = false;
    bool eof_delivered = false;
    bool slow = false;  ///< consumes only when nothing else can move
  };
  /// One use of a connection number; its target's port carries its index to the other side.
  struct Life {
    ConnNo conn_no{};
    std::size_t opener = 0;
    End ends[2];
  };
  struct Site {
    BufferPool pool;
    std::optional<Session> session;
    std::map<ConnNo, std::size_t> lives;  ///< of the connections that have not ended
    std::size_t pings = 0;
    std::size_t pongs = 0;
  };
  struct Message {
    ChannelId channel;
    Bytes bytes;
  };

  void open(std::size_t site);
  void write(std::size_t site, std::size_t life);
  void consume(std::size_t site, std::size_t life, std::size_t at_most);
  void abort(std::size_t site, std::size_t life);
  void answer(std::size_t site, std::size_t life);
  void touch(std::size_t site, std::size_t life);
  [[nodiscard]] bool advance(std::size_t site, std::size_t life);
  [[nodiscard]] bool deliver_any();
  void drain(std::size_t site);
  void take(std::size_t site, Event event);
  void check_credit(const Life& life) const;
  [[nodiscard]] bool credited() const { return weather_.hellos == Hellos::BothWithCredit; }
  [[nodiscard]] static std::byte expected_byte(std::size_t life, std::size_t writer, std::size_t offset);

  Weather weather_;
  Random random_;
  TimePoint now_{};
  Site sites_[2];
  std::vector<Life> lives_;
  /// Per direction and channel: channels don't keep order with each other.
  std::map<std::pair<std::size_t, ChannelId>, std::deque<Bytes>> wires_;
};

}  // namespace isotube::tunnel
