// Two sessions under random traffic, against a model that knows every byte: many connections, any sizes, half closes,
// aborts, refusals, slow consumers, channels that overtake each other. A failure names its seed.
#include "unit/tunnel/world.hpp"

namespace isotube::tunnel {
namespace {

constexpr int kSteps = 1500;

std::size_t run(std::uint64_t seed, const Weather& weather) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  World world(seed, weather);
  world.stir(kSteps);
  world.settle();
  world.expect_all_ended_well();
  return world.lives_that_ended_normally();
}

void run_seeds(std::uint64_t count, const Weather& weather) {
  std::size_t ended_normally = 0;
  for (std::uint64_t seed = 0; seed < count && !testing::Test::HasFailure(); ++seed) {
    ended_normally += run(seed, weather);
  }
  EXPECT_GT(ended_normally, 10 * count);
}

TEST(RandomTraffic, ArrivesOnceAndInOrderWithTheProtocolsCredit) { run_seeds(4, {.largest_stream = 600'000}); }

TEST(RandomTraffic, ArrivesOnceAndInOrderWithLittleCredit) {
  run_seeds(8, {.settings = {.initial_credit = 3000, .credit_grant = 1500}});
}

TEST(RandomTraffic, ArrivesOnceAndInOrderWithControlOvertakingData) {
  run_seeds(8, {.settings = {.initial_credit = 3000, .credit_grant = 1500}, .control_channel = true});
}

TEST(RandomTraffic, ArrivesOnceAndInOrderWhileNumbersAreUsedAgain) {
  run_seeds(8, {.settings = {.initial_credit = 5000, .credit_grant = 2500, .highest_number = 24}});
}

TEST(RandomTraffic, ArrivesOnceAndInOrderWithShortMessages) {
  run_seeds(6, {.settings = {.peer_max_message = 300}, .largest_stream = 20'000});
}

TEST(RandomTraffic, ArrivesOnceAndInOrderInATubeThatIsFull) { run_seeds(8, {.settings = {.max_connections = 12}}); }

TEST(RandomTraffic, ArrivesOnceAndInOrderWithoutCredit) {
  run_seeds(8, {.hellos = Hellos::WithoutCredit, .largest_stream = 50'000});
}

TEST(RandomTraffic, ArrivesOnceAndInOrderWithoutHello) {
  run_seeds(8, {.hellos = Hellos::None, .largest_stream = 50'000});
}

}  // namespace
}  // namespace isotube::tunnel
