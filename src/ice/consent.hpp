// Consent to send, kept fresh (RFC 7675): when to ask, and what silence means.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "stun/message.hpp"

namespace isotube::ice {

/// The consent of one path. A lost check changes nothing but the next one's weight: checks go on until consent expires
/// (row I3 of the fault matrix).
class Consent {
 public:
  enum class Due : std::uint8_t {
    Nothing,
    Check,       ///< send one and call sent()
    Unanswered,  ///< a check went unanswered; said once for each silence
    Silent,      ///< two checks in a row did; said once for each silence
    Expired,     ///< no answer for the whole expiry; nothing follows
  };

  Consent(Duration interval, Duration expiry, Random random) : interval_(interval), expiry_(expiry), random_(random) {}

  /// A path that was granted consent at `granted` is used from now on.
  void start(TimePoint now, TimePoint granted);
  void stop();
  /// The path is gone: nothing is asked there any more, but what consent there was still expires.
  void hold();
  /// What is due at `now`; to be asked until it says Nothing.
  [[nodiscard]] Due due(TimePoint now);
  /// A check went out. Counts as unanswered after `patience`.
  void sent(TimePoint now, const stun::TransactionId& id, Duration patience);
  [[nodiscard]] bool owns(const stun::TransactionId& id) const;
  /// A valid answer to one of our checks: gives its round trip and renews consent.
  Duration answered(TimePoint now, const stun::TransactionId& id);
  /// A valid answer to another check on the same path.
  void renew(TimePoint now);
  [[nodiscard]] TimePoint deadline() const;

 private:
  struct Sent {
    stun::TransactionId id;
    TimePoint at;
  };

  [[nodiscard]] Duration draw_interval();

  Duration interval_;
  Duration expiry_;
  Random random_;
  TimePoint check_at_ = kNever;
  TimePoint unanswered_at_ = kNever;
  TimePoint silent_at_ = kNever;
  TimePoint expires_at_ = kNever;
  /// Since the last answer: consent_expiry / (0.8 * consent_interval) at most.
  std::vector<Sent> unanswered_;
};

}  // namespace isotube::ice
