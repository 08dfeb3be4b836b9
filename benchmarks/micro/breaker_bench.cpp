// USES isolation
//
// What a tube's circuit breaker costs an operation. On a machine with other work, CPU says more than Time.
#include <benchmark/benchmark.h>

#include <chrono>

#include "isolation/breaker.hpp"

namespace {

using isotube::CircuitConfig;
using isotube::ErrorType;
using isotube::Random;
using isotube::TimePoint;
using isotube::isolation::Breaker;

constexpr TimePoint kNow{std::chrono::hours(1)};

/// A request that passes, and its success.
void closed_request(benchmark::State& state) {
  Breaker breaker(CircuitConfig{}, Random({}));
  for (auto each : state) {
    auto permit = breaker.try_acquire(kNow, ErrorType::DataChannelFailed);
    permit->success(kNow);
  }
}
BENCHMARK(closed_request);

/// Only asking whether a request would pass.
void closed_look(benchmark::State& state) {
  Breaker breaker(CircuitConfig{}, Random({}));
  for (auto each : state) benchmark::DoNotOptimize(breaker.is_closed());
}
BENCHMARK(closed_look);

/// From several threads at once: the word moves between cores.
void closed_request_shared(benchmark::State& state) {
  static Breaker breaker(CircuitConfig{}, Random({}));
  for (auto each : state) {
    auto permit = breaker.try_acquire(kNow, ErrorType::DataChannelFailed);
    permit->success(kNow);
  }
}
BENCHMARK(closed_request_shared)->Threads(2);

void open_refusal(benchmark::State& state) {
  Breaker breaker(CircuitConfig{}, Random({}));
  breaker.trip(kNow, ErrorType::Stalled, "");
  for (auto each : state) benchmark::DoNotOptimize(breaker.try_acquire(kNow, ErrorType::DataChannelFailed));
}
BENCHMARK(open_refusal);

void snapshot(benchmark::State& state) {
  const Breaker breaker(CircuitConfig{}, Random({}));
  for (auto each : state) benchmark::DoNotOptimize(breaker.snapshot());
}
BENCHMARK(snapshot);

}  // namespace
