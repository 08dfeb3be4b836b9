// Who a caller is, and what his tubes may connect to: rules that can be replaced while tubes run.
#pragma once

#include <expected>
#include <memory>
#include <mutex>
#include <string>

#include "gateway/allow_list.hpp"
#include "gateway/message.hpp"
#include "gateway/problem.hpp"
#include "gateway/token_file.hpp"

namespace isotube::gateway {

/// What SIGHUP reads again. Immutable once shared.
struct AccessRules {
  AllowList allow;
  /// Null if the gateway has no tokens: then this machine may do everything.
  std::shared_ptr<const TokenFile> tokens;
};

/// The rules that hold now. Thread-safe.
class LiveRules {
 public:
  explicit LiveRules(std::shared_ptr<const AccessRules> rules) : rules_(std::move(rules)) {}

  [[nodiscard]] std::shared_ptr<const AccessRules> get() const;
  void set(std::shared_ptr<const AccessRules> rules);

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const AccessRules> rules_;
};

struct Caller {
  std::string name;  ///< of the token, or kLocalCaller
  Role role = Role::Client;
};

/// The owner of tubes that were made without a token.
inline constexpr std::string_view kLocalCaller = "local";

[[nodiscard]] std::expected<Caller, Problem> authenticate(const AccessRules& rules, const Request& request);

/// The targets of one owner's tubes: what the gateway allows, narrowed by the owner's token. Once that token is gone,
/// nothing. Asks the rules that hold now, so open tubes follow a SIGHUP. Thread-safe.
class OwnerPolicy final : public tube::TargetPolicy {
 public:
  OwnerPolicy(std::shared_ptr<const LiveRules> rules, std::string owner);

  [[nodiscard]] bool allows(const tube::Target& target) const override;
  [[nodiscard]] bool allows_resolved(const tube::Target& target, const IpAddress& address) const override;

 private:
  template <class Question>
  [[nodiscard]] bool ask(const Question& question) const;

  std::shared_ptr<const LiveRules> rules_;
  std::string owner_;
};

}  // namespace isotube::gateway
