// Two sessions wired directly: the offerer A and the answerer Z. Nothing moves until the test says so.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "unit/tunnel/lone.hpp"

namespace isotube::tunnel {

/// Which side's messages are delivered first when both have some.
enum class Order : std::uint8_t { OffererFirst, AnswererFirst };

class Pair {
 public:
  explicit Pair(Order order, Settings offerer = {}, Settings answerer = {})
      : a(Side::Offerer, std::move(offerer)), z(Side::Answerer, std::move(answerer)), order_(order) {
    a.open_channel();
    z.open_channel();
  }

  /// Moves messages until none is left. A side answers within its turn, so both sides' messages do cross.
  void settle() {
    constexpr int kTooMany = 10'000;
    for (int turn = 0; turn < kTooMany; ++turn) {
      Lone& first = order_ == Order::OffererFirst ? a : z;
      Lone& second = order_ == Order::OffererFirst ? z : a;
      const bool moved_first = move(first, second);
      const bool moved_second = move(second, first);
      if (!moved_first && !moved_second) return;
    }
    FAIL() << "the sessions never come to rest";
  }

  /// Delivers what `from` has to send now, and only that. True if there was anything.
  static bool move(Lone& from, Lone& to) {
    std::vector<std::pair<ChannelId, Bytes>> messages;
    while (auto transmit = from->poll_transmit()) {
      messages.emplace_back(transmit->channel, to_bytes(transmit->message.view()));
    }
    for (const auto& [channel, message] : messages) to.receive({message}, channel);
    return !messages.empty();
  }

  /// An open connection whose opening both sides' events have told.
  ConnNo connect() {
    const ConnNo conn_no = a->open(a.now, Target{"host", 80}).value();
    settle();
    z->accept(z.now, conn_no);
    settle();
    (void)a.events();
    (void)z.events();
    return conn_no;
  }

  Lone a;
  Lone z;

 private:
  Order order_;
};

class EitherOrder : public testing::TestWithParam<Order> {};

inline std::string order_name(const testing::TestParamInfo<Order>& order) {
  return order.param == Order::OffererFirst ? "OffererFirst" : "AnswererFirst";
}

}  // namespace isotube::tunnel
