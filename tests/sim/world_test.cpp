#include "sim/world/world.hpp"

#include <gtest/gtest.h>

namespace isotube::sim {
namespace {

using std::chrono::seconds;

/// Wants to be called every `interval`; with none, again and again at the same time.
class Clockwork : public Node {
 public:
  Clockwork(Duration interval, TimePoint first) : interval_(interval), next_(first) {}
  [[nodiscard]] bool owns(const Address& /*address*/) const override { return false; }
  void handle_datagram(TimePoint /*now*/, const Path& /*path*/, ByteView /*datagram*/) override {}
  void handle_timeout(TimePoint now) override {
    ++calls;
    next_ = now + interval_;
  }
  bool drain(TimePoint /*now*/, Outlet& /*outlet*/) override { return false; }
  [[nodiscard]] TimePoint next_timeout() const override { return next_; }

  int calls = 0;

 private:
  Duration interval_;
  TimePoint next_;
};

TEST(World, JumpsFromWakeupToWakeup) {
  World world(1);
  Clockwork clockwork(seconds(1), world.now + seconds(1));
  world.add(clockwork);
  EXPECT_EQ(world.run_for(seconds(3'600)), End::TimeUp);
  EXPECT_EQ(clockwork.calls, 3'600);
}

TEST(World, CallsALivelockWhatItIs) {
  World world(1);
  Clockwork clockwork(Duration::zero(), world.now);
  world.add(clockwork);
  EXPECT_EQ(world.run_for(seconds(1)), End::Livelock);
}

TEST(World, IsIdleWhenNothingWaits) {
  World world(1);
  Clockwork clockwork(seconds(1), kNever);
  world.add(clockwork);
  EXPECT_EQ(world.run_until([] { return false; }, seconds(1)), End::Idle);
}

}  // namespace
}  // namespace isotube::sim
