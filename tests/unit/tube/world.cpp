#include "unit/tube/world.hpp"

#include <algorithm>
#include <filesystem>
#include <thread>
#include <utility>

namespace isotube::tube {

template <typename Also, typename Change>
void Witness::Told::note_after(Also also, Change change) {
  const auto note = [&] {
    {
      const std::lock_guard lock(mutex);
      change();
    }
    changed.notify_all();
  };
  try {
    also();
  } catch (...) {
    note();
    throw;
  }
  note();
}

Observer Witness::observer(Observer also) {
  // The test goes on as soon as it is told: whatever else there is to call comes before that.
  Observer observer;
  observer.state_changed = [told = told_, then = also.state_changed](State state) {
    const auto call = [&] {
      if (then) then(state);
    };
    told->note_after(call, [&] { told->states.push_back(state); });
  };
  observer.connection_ended = [told = told_, then = also.connection_ended](const ConnectionRecord& record) {
    const auto call = [&] {
      if (then) then(record);
    };
    told->note_after(call, [&] { told->records.push_back(record); });
  };
  observer.closed = [told = told_, then = also.closed](CloseReason reason, const std::string& message) {
    const auto call = [&] {
      if (then) then(reason, message);
    };
    told->note_after(call, [&] { told->ends.push_back({reason, message}); });
  };
  return observer;
}

bool Witness::wait_for_state(State state) {
  std::unique_lock lock(told_->mutex);
  const auto& states = told_->states;
  return told_->changed.wait_for(lock, kLimit, [&] { return std::ranges::find(states, state) != states.end(); });
}

std::optional<Witness::End> Witness::wait_for_close() {
  std::unique_lock lock(told_->mutex);
  if (!told_->changed.wait_for(lock, kLimit, [&] { return !told_->ends.empty(); })) return std::nullopt;
  return told_->ends.front();
}

std::vector<ConnectionRecord> Witness::wait_for_records(std::size_t count) {
  std::unique_lock lock(told_->mutex);
  EXPECT_TRUE(told_->changed.wait_for(lock, kLimit, [&] { return told_->records.size() >= count; }))
      << "only " << told_->records.size() << " of " << count << " records";
  return told_->records;
}

int Witness::times_closed() {
  const std::lock_guard lock(told_->mutex);
  return static_cast<int>(told_->ends.size());
}

Config client_config() {
  Random random(runtime::system_seed());
  Config config;
  config.id = make_id(random);
  config.owner = "client";
  config.network.interfaces = {"lo"};
  return config;
}

Config gateway_config(std::shared_ptr<const TargetPolicy> policy) {
  Config config = client_config();
  config.owner = "tester";
  config.policy = std::move(policy);
  return config;
}

World::World(runtime::Runtime& runtime) : World(runtime, runtime, Options{}) {}

World::World(runtime::Runtime& runtime, Options options) : World(runtime, runtime, std::move(options)) {}

World::World(runtime::Runtime& client_runtime, runtime::Runtime& gateway_runtime, Options options)
    : client_runtime_(client_runtime) {
  client = Tube::create(client_runtime, std::move(options.client), client_saw.observer(std::move(options.client_also)));
  gateway =
      Tube::create(gateway_runtime, std::move(options.gateway), gateway_saw.observer(std::move(options.gateway_also)));
}

void World::signal() {
  auto offer = wait_for(client_runtime_, client->offer());
  ASSERT_TRUE(offer.has_value());
  auto answer = wait_for(client_runtime_, gateway->answer(std::move(*offer)));
  ASSERT_TRUE(answer.has_value());
  ASSERT_TRUE(wait_for(client_runtime_, client->set_answer(std::move(*answer))).has_value());
}

void World::connect() {
  signal();
  ASSERT_TRUE(client_saw.wait_for_state(State::Connected));
  ASSERT_TRUE(gateway_saw.wait_for_state(State::Connected));
}

TestSocket World::open(const Target& target) {
  TcpPair pair(blocking_, blocking_);
  client->forward(std::move(pair.tube_end), target);
  return TestSocket(std::move(pair.test_end));
}

TestSocket World::open_fixed() {
  TcpPair pair(blocking_, blocking_);
  client->forward(std::move(pair.tube_end), std::nullopt);
  return TestSocket(std::move(pair.test_end));
}

void World::close_both() {
  client->close(CloseReason::Normal, "done");
  EXPECT_TRUE(client_saw.wait_for_close());
  // Without a connection it can't have heard.
  gateway->close(CloseReason::Normal, "done");
  EXPECT_TRUE(gateway_saw.wait_for_close());
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace isotube::tube
