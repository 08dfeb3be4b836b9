#include "runtime/runtime.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <future>
#include <stdexcept>

namespace isotube::runtime {
namespace {

namespace asio = boost::asio;

TEST(Runtime, AWorkerGoesOnAfterTasksThatThrow) {
  Runtime runtime(1);
  asio::post(runtime.context(), [] { throw std::runtime_error("a task's own fault"); });
  asio::post(runtime.context(), [] { throw 7; });
  std::promise<void> reached;
  asio::post(runtime.context(), [&] { reached.set_value(); });
  ASSERT_EQ(reached.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_EQ(runtime.stray_exceptions(), 2U);
}

TEST(Runtime, AStrandNeverRunsTwoTurnsAtOnce) {
  Runtime runtime(4);
  const Strand strand = runtime.make_strand();
  constexpr int kTurns = 2000;
  std::atomic<int> inside = 0;
  std::atomic<int> overlaps = 0;
  int unguarded = 0;
  std::promise<void> finished;
  for (int i = 0; i < kTurns; ++i) {
    asio::post(strand, [&] {
      if (inside.fetch_add(1) != 0) ++overlaps;
      if (++unguarded == kTurns) finished.set_value();
      inside.fetch_sub(1);
    });
  }
  ASSERT_EQ(finished.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_EQ(overlaps, 0);
}

TEST(Runtime, StoppingTwiceIsTheSameAsOnce) {
  Runtime runtime(2);
  runtime.stop();
  runtime.stop();
  EXPECT_TRUE(runtime.context().stopped());
}

TEST(Runtime, DropsWhatIsStillQueuedWithItself) {
  auto token = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = token;
  {
    Runtime runtime(1);
    runtime.stop();
    asio::post(runtime.context(), [held = std::move(token)] {});
    EXPECT_FALSE(watch.expired());
  }
  EXPECT_TRUE(watch.expired());
}

TEST(Clock, NeverGoesBack) {
  const TimePoint first = now();
  EXPECT_LE(first, now());
}

TEST(SystemSeed, IsADifferentOneEachTime) { EXPECT_NE(system_seed(), system_seed()); }

}  // namespace
}  // namespace isotube::runtime
