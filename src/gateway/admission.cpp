#include "gateway/admission.hpp"

namespace isotube::gateway {

struct Admission::Permit::Counts {
  std::mutex mutex;
  std::size_t all = 0;
  std::map<std::string, std::size_t> by_client;
};

Admission::Permit::Permit(std::shared_ptr<Counts> counts, std::string client)
    : counts_(std::move(counts)), client_(std::move(client)) {}

Admission::Permit::~Permit() {
  if (!counts_) return;
  const std::lock_guard lock(counts_->mutex);
  --counts_->all;
  const auto found = counts_->by_client.find(client_);
  if (--found->second == 0) counts_->by_client.erase(found);
}

Admission::Admission(const AdmissionLimits& limits) : limits_(limits), counts_(std::make_shared<Permit::Counts>()) {}

std::expected<Admission::Permit, Problem> Admission::enter(const std::string& client) {
  const std::lock_guard lock(counts_->mutex);
  if (counts_->all >= limits_.creates) {
    return std::unexpected(Problem{ProblemKind::Overloaded, "too many tubes are being created; try again"});
  }
  std::size_t& own = counts_->by_client[client];
  if (own >= limits_.creates_per_client) {
    return std::unexpected(Problem{ProblemKind::TooManyCreates, "too many of your tubes are being created; try again"});
  }
  ++own;
  ++counts_->all;
  return Permit(counts_, client);
}

bool Admission::full() const {
  const std::lock_guard lock(counts_->mutex);
  return counts_->all >= limits_.creates;
}

}  // namespace isotube::gateway
