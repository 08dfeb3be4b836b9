#include "gateway/access.hpp"

#include <algorithm>
#include <optional>

namespace isotube::gateway {
namespace {

/// The token of `Authorization: Bearer TOKEN` (RFC 6750 2.1).
std::optional<std::string_view> bearer_token(std::string_view credentials) {
  constexpr std::string_view kScheme = "bearer";
  if (credentials.size() <= kScheme.size() || credentials[kScheme.size()] != ' ') return std::nullopt;
  const bool is_bearer =
      std::ranges::equal(credentials.substr(0, kScheme.size()), kScheme,
                         [](char given, char wanted) { return given == wanted || given == wanted - 'a' + 'A'; });
  if (!is_bearer) return std::nullopt;
  std::string_view token = credentials.substr(kScheme.size());
  token.remove_prefix(std::min(token.find_first_not_of(' '), token.size()));
  return token;
}

std::unexpected<Problem> refused(ProblemKind kind, std::string detail) {
  return std::unexpected(Problem{kind, std::move(detail)});
}

}  // namespace

std::shared_ptr<const AccessRules> LiveRules::get() const {
  const std::lock_guard lock(mutex_);
  return rules_;
}

void LiveRules::set(std::shared_ptr<const AccessRules> rules) {
  const std::lock_guard lock(mutex_);
  rules_.swap(rules);
}

std::expected<Caller, Problem> authenticate(const AccessRules& rules, const Request& request) {
  if (!rules.tokens) {
    if (request.source.ip.is_loopback()) return Caller{std::string(kLocalCaller), Role::Admin};
    return refused(ProblemKind::NotLoopback, "start the gateway with --token-file to serve other machines");
  }
  const std::size_t given = request.fields.count("Authorization");
  if (given == 0) return refused(ProblemKind::TokenNeeded, "send Authorization: Bearer TOKEN");
  if (given > 1) return refused(ProblemKind::BadRequest, "there is more than one Authorization field");
  const auto token = bearer_token(request.fields.get("Authorization"));
  if (!token) return refused(ProblemKind::TokenNeeded, "send Authorization: Bearer TOKEN");
  const TokenFile::Entry* entry = rules.tokens->find_token(*token);
  if (!entry) return refused(ProblemKind::TokenUnknown, "the token is not in this gateway's token file");
  return Caller{entry->name, entry->role};
}

OwnerPolicy::OwnerPolicy(std::shared_ptr<const LiveRules> rules, std::string owner)
    : rules_(std::move(rules)), owner_(std::move(owner)) {}

template <class Question>
bool OwnerPolicy::ask(const Question& question) const {
  const auto rules = rules_->get();
  if (!question(rules->allow)) return false;
  if (!rules->tokens) return true;
  const TokenFile::Entry* entry = rules->tokens->find_name(owner_);
  return entry && (!entry->narrowed || question(*entry->narrowed));
}

bool OwnerPolicy::allows(const tube::Target& target) const {
  return ask([&](const AllowList& list) { return list.allows(target); });
}

bool OwnerPolicy::allows_resolved(const tube::Target& target, const IpAddress& address) const {
  return ask([&](const AllowList& list) { return list.allows_resolved(target, address); });
}

}  // namespace isotube::gateway
