// How many tubes may be in the making at once.
#pragma once

#include <cstddef>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "gateway/config.hpp"
#include "gateway/problem.hpp"

namespace isotube::gateway {

/// Thread-safe. A permit may outlive it.
class Admission {
 public:
  /// One create in progress, as long as it lives.
  class Permit {
   public:
    Permit(Permit&&) noexcept = default;
    Permit& operator=(Permit&&) = delete;
    ~Permit();

   private:
    friend class Admission;
    struct Counts;
    Permit(std::shared_ptr<Counts> counts, std::string client);

    std::shared_ptr<Counts> counts_;
    std::string client_;
  };

  explicit Admission(const AdmissionLimits& limits);

  /// `client` is a token's name or a source. The error is TooManyCreates or Overloaded.
  [[nodiscard]] std::expected<Permit, Problem> enter(const std::string& client);
  [[nodiscard]] bool full() const;

 private:
  AdmissionLimits limits_;
  std::shared_ptr<Permit::Counts> counts_;
};

}  // namespace isotube::gateway
