// An sctp::Association that does nothing but to keep what it is asked, and to answer as the test says.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "sctp/association.hpp"

namespace isotube::sctp {

struct Sent {
  StreamId stream{};
  SendOptions options;
  Bytes message;
};

struct StandIn {
  State state = State::Established;
  std::uint16_t streams = 1024;
  std::optional<SendError> refuse;  ///< what send() answers
  std::vector<Sent> sent;
  std::vector<StreamId> resets;
  std::map<StreamId, std::size_t> thresholds;
  std::map<StreamId, std::size_t> buffered;
};

/// What stands behind `association`.
[[nodiscard]] StandIn& stand_in_of(const Association& association);

}  // namespace isotube::sctp
