#include "gateway/tube_json.hpp"

#include <chrono>
#include <string_view>

namespace isotube::gateway {
namespace json = boost::json;

namespace {

std::string_view state_name(tube::State state) {
  switch (state) {
    case tube::State::New:
      return "new";
    case tube::State::Connecting:
      return "connecting";
    case tube::State::Connected:
      return "connected";
    case tube::State::Closed:
      break;
  }
  return "closed";
}

json::value end_of_path(const std::optional<ice::CandidateType>& type) {
  if (!type) return nullptr;
  return json::value(ice::to_string(*type));
}

double milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

}  // namespace

json::object to_json(const tube::Snapshot& snapshot) {
  json::object object;
  object["id"] = snapshot.id;
  object["owner"] = snapshot.owner;
  object["state"] = state_name(snapshot.state);
  object["conversation"] = "tunnel";
  object["target"] = snapshot.fixed_target ? json::value(*snapshot.fixed_target) : json::value(nullptr);
  json::object path;
  path["local"] = end_of_path(snapshot.path_local);
  path["remote"] = end_of_path(snapshot.path_remote);
  object["path"] = std::move(path);
  json::object bytes;
  bytes["up"] = snapshot.bytes_up;
  bytes["down"] = snapshot.bytes_down;
  object["bytes"] = std::move(bytes);
  object["rtt_ms"] = snapshot.round_trip ? json::value(milliseconds(*snapshot.round_trip)) : json::value(nullptr);
  object["connections"] = snapshot.connections;
  object["age_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(snapshot.age).count();
  return object;
}

}  // namespace isotube::gateway
