// A tube that has a fixed number of messages to say on each of its channels, and that checks every byte it hears.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/world/peer_node.hpp"

namespace isotube::sim {

enum class Side : std::uint8_t { Offerer, Answerer };

/// What both sides of a conversation know.
struct Plan {
  std::uint64_t seed = 1;
  /// Channels, each with whether it is ordered. Even ones are opened by the offerer, odd ones by the answerer.
  std::vector<bool> ordered = {true, false, true};
  std::uint32_t messages = 20;  ///< on each channel, each way
  std::size_t largest = 20'000;
};

class TalkingPeer : public PeerNode {
 public:
  TalkingPeer(Side side, const Plan& plan, const Address& address, const peer::Settings& settings,
              const Random& random);

  /// Candidates found later, and that there are no more, are told to `other` at once.
  void signal_to(TalkingPeer& other) { other_ = &other; }

  [[nodiscard]] bool has_heard_everything() const;
  [[nodiscard]] const std::optional<peer::Closed>& closed() const { return closed_; }
  [[nodiscard]] bool was_connected() const { return was_connected_; }
  /// The first thing that went wrong; empty if nothing did.
  [[nodiscard]] const std::string& complaint() const { return complaint_; }
  [[nodiscard]] std::string progress() const;

 private:
  struct Channel {
    std::optional<datachannel::ChannelId> id;
    bool may_send = false;
    std::uint32_t said = 0;
    std::uint32_t heard = 0;
    std::vector<bool> heard_numbers;
  };

  void on_event(TimePoint now, peer::Event& event) override;
  bool act(TimePoint now) override;

  void open_ours(TimePoint now);
  void adopt(const datachannel::OpenedByPeer& opened);
  bool say_more(TimePoint now, std::size_t index);
  void hear(const datachannel::Message& message);
  [[nodiscard]] std::optional<std::size_t> index_of(datachannel::ChannelId id) const;
  void complain(const std::string& what);

  Side side_;
  Plan plan_;
  TalkingPeer* other_ = nullptr;
  bool was_connected_ = false;
  std::vector<Channel> channels_;
  std::optional<peer::Closed> closed_;
  std::string complaint_;
};

}  // namespace isotube::sim
