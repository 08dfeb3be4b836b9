// What the guest below the line sees of the world: OpenSSL reads a clock and a random source of its own, and simulation
// gives it others.
#pragma once

#include "base/time.hpp"

namespace isotube::dtls {

/// What OpenSSL sees of the world while one of its calls runs. The product leaves it out.
class Surroundings {
 public:
  virtual ~Surroundings() = default;
  /// Called before OpenSSL is entered.
  virtual void enter(TimePoint now) = 0;
  /// Called after it returned.
  virtual void leave() = 0;
};

/// Surroundings for as long as this object lives. Sessions do this themselves; who calls Certificate::generate() in
/// simulation does it around that call.
class SurroundingsScope {
 public:
  /// `surroundings` may be null: then nothing is done.
  SurroundingsScope(Surroundings* surroundings, TimePoint now) : surroundings_(surroundings) {
    if (surroundings_ != nullptr) surroundings_->enter(now);
  }
  ~SurroundingsScope() {
    if (surroundings_ != nullptr) surroundings_->leave();
  }
  SurroundingsScope(const SurroundingsScope&) = delete;
  SurroundingsScope& operator=(const SurroundingsScope&) = delete;

 private:
  Surroundings* surroundings_;
};

}  // namespace isotube::dtls
