#include "tube/registry.hpp"

#include <mutex>
#include <utility>

namespace isotube::tube {

void TubeRegistry::add(std::shared_ptr<Tube> tube) {
  std::string id = tube->id();
  const std::unique_lock lock(mutex_);
  tubes_.insert_or_assign(std::move(id), std::move(tube));
}

std::shared_ptr<Tube> TubeRegistry::find(const std::string& id) const {
  const std::shared_lock lock(mutex_);
  const auto found = tubes_.find(id);
  return found == tubes_.end() ? nullptr : found->second;
}

void TubeRegistry::remove(const std::string& id) {
  // Let go outside the lock: what a tube's end sets off may look into the registry.
  std::shared_ptr<Tube> removed;
  const std::unique_lock lock(mutex_);
  if (const auto found = tubes_.find(id); found != tubes_.end()) {
    removed = std::move(found->second);
    tubes_.erase(found);
  }
}

std::vector<std::shared_ptr<Tube>> TubeRegistry::list() const {
  std::vector<std::shared_ptr<Tube>> all;
  const std::shared_lock lock(mutex_);
  all.reserve(tubes_.size());
  for (const auto& [id, tube] : tubes_) all.push_back(tube);
  return all;
}

std::size_t TubeRegistry::size() const {
  const std::shared_lock lock(mutex_);
  return tubes_.size();
}

}  // namespace isotube::tube
