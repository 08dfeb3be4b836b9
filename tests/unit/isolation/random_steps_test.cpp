// A million random steps, the breaker and the plain model side by side: no difference after any of them.
//
//   ISOTUBE_BREAKER_STEPS=N   another number of steps (the sanitizers are slow)
//   ISOTUBE_BREAKER_SEED=N    another million
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <initializer_list>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "model.hpp"
#include "world.hpp"

namespace isotube::isolation {
namespace {

constexpr std::uint64_t kStepsOfOneConfig = 2'000;
constexpr std::size_t kMostOutstanding = 40;

[[nodiscard]] std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

/// One configuration, a breaker and a model with it, and what is outstanding.
class Duel {
 public:
  explicit Duel(Random random)
      : random_(std::move(random)),
        config_(random_config()),
        mode_(
            pick({CircuitMode::Normal, CircuitMode::Normal, CircuitMode::Normal, CircuitMode::Observe, random_mode()})),
        model_(config_, random_.fork("jitter"), mode_),
        world_(config_, mode_, random_.fork("jitter")) {}

  void step() {
    // The weather: stretches in which most things fail and others in which most succeed lead to every state.
    if (random_.below(30) == 0) failing_percent_ = pick({0U, 20U, 60U, 95U});
    const std::uint64_t dice = random_.below(1000);
    if (dice < 420) {
      acquire();
    } else if (dice < 800) {
      finish();
    } else if (dice < 970) {
      pass_time();
    } else if (dice < 985) {
      const ErrorType type = random_type();
      world_.breaker.report_failure(world_.now, type);
      asked_ += model_.snapshot().mode == CircuitMode::Disabled ? 0 : 1;
      model_.report_failure(world_.now, type);
    } else {
      by_hand();
    }
  }

  void compare() {
    const Snapshot snapshot = world_.breaker.snapshot();
    ASSERT_EQ(snapshot.total(),
              snapshot.successful + snapshot.failed + snapshot.refused + snapshot.cancelled + snapshot.in_flight);
    ASSERT_LE(snapshot.timeouts, snapshot.failed);
    ASSERT_EQ(snapshot.in_flight, counted_outstanding());
    ASSERT_EQ(snapshot.total(), asked_);
    ASSERT_TRUE(snapshot == model_.snapshot()) << difference(snapshot);
    ASSERT_EQ(world_.breaker.next_probe(), model_.next_probe());
    ASSERT_EQ(world_.transitions.size(), model_.transitions().size());
    if (!world_.transitions.empty()) {
      ASSERT_TRUE(world_.transitions.back() == model_.transitions().back());
    }
    seen_[static_cast<std::size_t>(snapshot.state)] += 1;
  }

  [[nodiscard]] std::uint64_t steps_in(CircuitState state) const { return seen_[static_cast<std::size_t>(state)]; }

 private:
  struct Outstanding {
    Permit permit;
    Model::Ticket ticket;
  };
  struct World {
    World(const CircuitConfig& config, CircuitMode mode, const Random& random)
        : breaker(config, random, [this](const Transition& each) { transitions.push_back(each); }, mode) {}
    TimePoint now = kStart;
    std::vector<Transition> transitions;
    Breaker breaker;
  };

  template <typename Value>
  [[nodiscard]] Value pick(std::initializer_list<Value> values) {
    return values.begin()[random_.below(values.size())];
  }
  [[nodiscard]] ErrorType random_type() { return kErrorTypes[random_.below(kErrorTypes.size())]; }
  [[nodiscard]] CircuitMode random_mode() {
    return pick({CircuitMode::Normal, CircuitMode::ForcedOpen, CircuitMode::ForcedClosed, CircuitMode::Observe,
                 CircuitMode::Disabled});
  }

  [[nodiscard]] CircuitConfig random_config() {
    CircuitConfig config;
    if (random_.below(2) == 0) {
      config.failure_threshold = static_cast<std::uint32_t>(1 + random_.below(8));
      config.timeout = std::chrono::milliseconds(1 + random_.below(60'000));
      config.max_half_open_requests = static_cast<std::uint32_t>(1 + random_.below(5));
      config.success_threshold = static_cast<std::uint32_t>(1 + random_.below(config.max_half_open_requests));
      ErrorTypeConfig& own = config.error_types[random_type()];
      own.threshold = static_cast<std::uint32_t>(1 + random_.below(config.failure_threshold));
      own.factor = pick({0.1, 1.0, 7.5, 1e12});
    }
    if (random_.below(4) == 0) {
      CircuitWindow window{.kind = pick({CircuitWindow::Kind::LastCalls, CircuitWindow::Kind::LastTime}),
                           .failure_rate = pick({0.1, 0.5, 0.9}),
                           .slow_call_rate = pick({0.2, 1.0})};
      window.calls = static_cast<std::uint32_t>(1 + random_.below(30));
      window.minimum_calls = static_cast<std::uint32_t>(1 + random_.below(window.calls));
      config.window = window;
    }
    EXPECT_TRUE(config.validate());
    return config;
  }

  void acquire() {
    if (outstanding_.size() == kMostOutstanding) return finish();
    const ErrorType operation = random_type();
    auto permit = world_.breaker.try_acquire(world_.now, operation);
    const auto ticket = model_.acquire(world_.now, operation);
    ASSERT_EQ(permit.has_value(), ticket.has_value());
    if (!permit) {
      ASSERT_EQ(permit.error(), ticket.error());
      ++asked_;
      return;
    }
    ASSERT_EQ(permit->pending(), ticket->counted);
    asked_ += ticket->counted ? 1 : 0;
    outstanding_.push_back({std::move(*permit), *ticket});
  }

  void finish() {
    if (outstanding_.empty()) return;
    // Often the newest: what runs for long is rarer than what does not.
    const std::size_t which = random_.below(2) == 0 ? outstanding_.size() - 1 : random_.below(outstanding_.size());
    std::swap(outstanding_[which], outstanding_.back());
    const Model::Ticket ticket = outstanding_.back().ticket;
    {
      Permit permit = std::move(outstanding_.back().permit);
      outstanding_.pop_back();
      const ErrorType type = random_.below(2) == 0 ? ticket.operation : random_type();
      const Model::Outcome outcome = random_outcome();
      switch (outcome) {
        case Model::Outcome::Success:
          permit.success(world_.now);
          break;
        case Model::Outcome::Failure:
          permit.failure(world_.now, type);
          break;
        case Model::Outcome::Timeout:
          permit.timeout(world_.now);
          break;
        case Model::Outcome::Dropped:
          break;
      }
      model_.finish(world_.now, ticket, outcome, type);
    }
  }

  [[nodiscard]] Model::Outcome random_outcome() {
    if (random_.below(12) == 0) return Model::Outcome::Dropped;
    if (random_.below(100) >= failing_percent_) return Model::Outcome::Success;
    return random_.below(3) == 0 ? Model::Outcome::Timeout : Model::Outcome::Failure;
  }

  void pass_time() {
    switch (random_.below(4)) {
      case 0:
        world_.now += Duration(random_.below(1'000));
        break;
      case 1:
        world_.now += std::chrono::milliseconds(random_.below(20'000));
        break;
      case 2:
        world_.now += std::chrono::minutes(random_.below(3));
        break;
      default:
        // Around the edge: just before, just at, just after the open time ends.
        if (const auto until = world_.breaker.snapshot().open_until) {
          world_.now = std::max(world_.now, *until + Duration(static_cast<int>(random_.below(3)) - 1));
        }
    }
  }

  void by_hand() {
    switch (random_.below(8)) {
      case 0:
        world_.breaker.reset(world_.now);
        return model_.reset(world_.now);
      case 1: {
        const std::string reason = pick({std::string("drill"), std::string()});
        world_.breaker.force_open(world_.now, reason);
        return model_.force_open(world_.now, reason);
      }
      case 2:
      case 3:
      case 4: {
        const ErrorType type = random_type();
        world_.breaker.trip(world_.now, type, "tripped");
        return model_.trip(world_.now, type, "tripped");
      }
      default: {
        const CircuitMode mode = pick({CircuitMode::Normal, CircuitMode::Normal, random_mode()});
        world_.breaker.set_mode(world_.now, mode);
        return model_.set_mode(world_.now, mode);
      }
    }
  }

  [[nodiscard]] std::uint64_t counted_outstanding() const {
    return static_cast<std::uint64_t>(
        std::ranges::count_if(outstanding_, [](const Outstanding& each) { return each.ticket.counted; }));
  }

  [[nodiscard]] std::string difference(const Snapshot& ours) const {
    const Snapshot plain = model_.snapshot();
    return describe_state(ours, world_.now) + " against " + describe_state(plain, world_.now) + ", failures in a row " +
           std::to_string(ours.current_failures) + " against " + std::to_string(plain.current_failures);
  }

  Random random_;
  CircuitConfig config_;
  CircuitMode mode_;
  Model model_;
  World world_;
  std::vector<Outstanding> outstanding_;
  std::uint64_t asked_ = 0;
  std::uint64_t failing_percent_ = 60;
  std::array<std::uint64_t, 3> seen_{};
};

TEST(BreakerAgainstModel, AMillionRandomStepsMakeNoDifference) {
  const std::uint64_t steps = from_environment("ISOTUBE_BREAKER_STEPS", 1'000'000);
  const std::uint64_t seed = from_environment("ISOTUBE_BREAKER_SEED", 4);
  std::cout << "seed " << seed << ", " << steps << " steps\n";
  std::array<std::uint64_t, 3> reached{};
  for (std::uint64_t first = 0; first < steps; first += kStepsOfOneConfig) {
    Duel duel(seeded(seed).fork("duel " + std::to_string(first)));
    for (std::uint64_t i = first; i < std::min(steps, first + kStepsOfOneConfig); ++i) {
      duel.step();
      duel.compare();
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed << ", step " << i;
    }
    for (const CircuitState state : {CircuitState::Closed, CircuitState::Open, CircuitState::HalfOpen}) {
      reached[static_cast<std::size_t>(state)] += duel.steps_in(state);
    }
  }
  // A test that never gets anywhere would find no difference either.
  for (const std::uint64_t steps_there : reached) EXPECT_GT(steps_there, steps / 20);
}

}  // namespace
}  // namespace isotube::isolation
