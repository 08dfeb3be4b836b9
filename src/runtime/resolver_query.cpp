#include "runtime/resolver_query.hpp"

#include <netdb.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <utility>

#include "runtime/socket_address.hpp"

namespace isotube::runtime {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kMaxAddresses = 16;
/// c-ares asks again after this long, so that one lost datagram does not use up the whole limit.
constexpr int kFirstTimeoutMs = 800;
constexpr int kTries = 3;
/// How long one family's answer waits for the other's: a name server that ignores AAAA is common (RFC 8305 3 has 50 ms
/// for the other order).
constexpr std::chrono::milliseconds kSecondFamily(200);

bool library_ready() {
  static const bool kReady = ::ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
  return kReady;
}

/// RFC 6761 6.3: "localhost" and all below it are loopback, whatever a name server says. (c-ares knows it too, but
/// leaks the name.)
bool is_localhost(std::string name) {
  std::ranges::transform(name, name.begin(),
                         [](char each) { return each >= 'A' && each <= 'Z' ? static_cast<char>(each | 0x20) : each; });
  if (name.ends_with('.')) name.pop_back();
  return name == "localhost" || name.ends_with(".localhost");
}

ResolveError error_of(int status) {
  switch (status) {
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_EBADNAME:
    case ARES_EBADSTR:
    case ARES_EBADFAMILY:
      return ResolveError::NotFound;
    case ARES_ETIMEOUT:
      return ResolveError::TimedOut;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
      return ResolveError::Cancelled;
    default:
      return ResolveError::Failed;
  }
}

ares_addr_port_node to_node(const Address& server) {
  ares_addr_port_node node{};
  node.family = server.ip.is_v4() ? AF_INET : AF_INET6;
  std::ranges::copy(server.ip.octets(), reinterpret_cast<std::uint8_t*>(&node.addr));
  node.udp_port = server.port;
  node.tcp_port = server.port;
  return node;
}

bool set_servers(ares_channel channel, const std::vector<Address>& servers) {
  std::vector<ares_addr_port_node> nodes;
  nodes.reserve(servers.size());
  for (const Address& server : servers) nodes.push_back(to_node(server));
  for (std::size_t i = 1; i < nodes.size(); ++i) nodes[i - 1].next = &nodes[i];
  return nodes.empty() || ::ares_set_servers_ports(channel, nodes.data()) == ARES_SUCCESS;
}

}  // namespace

Resolver::Query::Watch::Watch(const Strand& strand, ares_socket_t socket) : descriptor(strand, socket) {}

Resolver::Query::Watch::~Watch() {
  if (descriptor.is_open()) descriptor.release();
}

Resolver::Query::Query(std::shared_ptr<Slots> slots, std::string name, Handler handler)
    : slots_(std::move(slots)),
      name_(std::move(name)),
      handler_(std::move(handler)),
      limit_(slots_->strand()),
      timer_(slots_->strand()) {}

Resolver::Query::~Query() { tear_down(); }

void Resolver::Query::begin() {
  if (const std::optional<IpAddress> literal = IpAddress::parse(name_)) {
    return finish_later(std::vector<IpAddress>{*literal});
  }
  if (is_localhost(name_)) {
    std::array<std::uint8_t, 16> v6_loopback{};
    v6_loopback.back() = 1;
    return finish_later(std::vector<IpAddress>{IpAddress::v4({127, 0, 0, 1}), IpAddress::v6(v6_loopback)});
  }
  // A C library would look at the part before the zero only: another name than the one that was allowed.
  if (name_.empty() || name_.find('\0') != std::string::npos) {
    return finish_later(std::unexpected(ResolveError::NotFound));
  }
  limit_.expires_after(slots_->settings().limit);
  limit_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const std::shared_ptr<Query> self = weak.lock();
    if (error || !self) return;
    if (!self->error_) self->error_ = ResolveError::TimedOut;
    self->finish(self->result());
  });
  state_ = State::Waiting;
  if (slots_->take(shared_from_this())) run();
}

void Resolver::Query::run() {
  state_ = State::Running;
  if (!open_channel()) return finish_later(std::unexpected(ResolveError::Failed));
  unanswered_ = 2;
  ask(AF_INET);
  ask(AF_INET6);
  if (unanswered_ == 0) return finish_later(result());
  settle();
}

bool Resolver::Query::open_channel() {
  if (!library_ready()) return false;
  ares_options options{};
  std::array<char, 3> lookups{"fb"};
  options.lookups = lookups.data();
  options.timeout = kFirstTimeoutMs;
  options.tries = kTries;
  options.sock_state_cb = &Query::on_socket;
  options.sock_state_cb_data = this;
  ares_channel channel = nullptr;
  const int mask = ARES_OPT_LOOKUPS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
  if (::ares_init_options(&channel, &options, mask) != ARES_SUCCESS) return false;
  channel_.reset(channel);
  return set_servers(channel, slots_->settings().servers);
}

void Resolver::Query::ask(int family) {
  ares_addrinfo_hints hints{};
  // Sorted by us: c-ares would open a socket for each address to find its source.
  hints.ai_flags = ARES_AI_NOSORT;
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  ::ares_getaddrinfo(channel_.get(), name_.c_str(), nullptr, &hints, &Query::on_answer, this);
}

void Resolver::Query::on_socket(void* self, ares_socket_t socket, int readable, int writable) noexcept {
  // Exceptions must not cross c-ares' frames.
  auto& query = *static_cast<Query*>(self);
  try {
    query.watch(socket, readable != 0, writable != 0);
  } catch (...) {
    query.broken_ = true;
  }
}

void Resolver::Query::watch(ares_socket_t socket, bool readable, bool writable) {
  if (!readable && !writable) {
    // At once, whoever else holds the watch: c-ares closes the descriptor next, and its number may come back.
    if (const auto found = watches_.find(socket); found != watches_.end()) {
      found->second->descriptor.release();
      watches_.erase(found);
    }
    return;
  }
  std::shared_ptr<Watch>& watch = watches_[socket];
  if (!watch) watch = std::make_shared<Watch>(slots_->strand(), socket);
  watch->wants_read = readable;
  watch->wants_write = writable;
}

void Resolver::Query::on_answer(void* self, int status, int /*timeouts*/, ares_addrinfo* answer) noexcept {
  const std::unique_ptr<ares_addrinfo, decltype(&::ares_freeaddrinfo)> owned(answer, &::ares_freeaddrinfo);
  auto& query = *static_cast<Query*>(self);
  try {
    query.take_answer(status, owned.get());
  } catch (...) {
    query.broken_ = true;
  }
}

void Resolver::Query::take_answer(int status, const ares_addrinfo* answer) {
  --unanswered_;
  if (status != ARES_SUCCESS || answer == nullptr) {
    const ResolveError error = error_of(status);
    // "There is none" of one family says less than what went wrong with the other.
    if (!error_ || *error_ == ResolveError::NotFound) error_ = error;
    return;
  }
  for (const ares_addrinfo_node* node = answer->nodes; node != nullptr; node = node->ai_next) {
    const std::optional<Address> address = from_socket_address(node->ai_addr);
    if (!address) continue;
    std::vector<IpAddress>& family = address->ip.is_v4() ? v4_ : v6_;
    if (std::ranges::find(family, address->ip) == family.end() && family.size() < kMaxAddresses) {
      family.push_back(address->ip);
    }
  }
}

void Resolver::Query::process(ares_socket_t readable, ares_socket_t writable) {
  if (!channel_) return;
  ::ares_process_fd(channel_.get(), readable, writable);
  settle();
}

void Resolver::Query::settle() {
  if (broken_) return finish_later(std::unexpected(ResolveError::Failed));
  if (unanswered_ == 0) return finish_later(result());
  if (!hurried_ && !(v4_.empty() && v6_.empty())) {
    hurried_ = true;
    if (limit_.expiry() > asio::steady_timer::clock_type::now() + kSecondFamily) {
      limit_.expires_after(kSecondFamily);
      limit_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const std::shared_ptr<Query> self = weak.lock();
        if (!error && self) self->finish(self->result());
      });
    }
  }
  arm_watches();
  arm_timer();
}

void Resolver::Query::arm_watches() {
  for (auto& [socket, watch] : watches_) {
    if (watch->wants_read && !watch->reading) {
      watch->reading = true;
      watch->descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                                   [weak = weak_from_this(), held = std::weak_ptr(watch), fd = socket](auto error) {
                                     const std::shared_ptr<Query> self = weak.lock();
                                     const std::shared_ptr<Watch> still = held.lock();
                                     if (error || !self || !still) return;
                                     still->reading = false;
                                     self->process(fd, ARES_SOCKET_BAD);
                                   });
    }
    if (watch->wants_write && !watch->writing) {
      watch->writing = true;
      watch->descriptor.async_wait(asio::posix::descriptor_base::wait_write,
                                   [weak = weak_from_this(), held = std::weak_ptr(watch), fd = socket](auto error) {
                                     const std::shared_ptr<Query> self = weak.lock();
                                     const std::shared_ptr<Watch> still = held.lock();
                                     if (error || !self || !still) return;
                                     still->writing = false;
                                     self->process(ARES_SOCKET_BAD, fd);
                                   });
    }
  }
}

void Resolver::Query::arm_timer() {
  timeval wait{};
  if (::ares_timeout(channel_.get(), nullptr, &wait) == nullptr) return;
  timer_.expires_after(std::chrono::seconds(wait.tv_sec) + std::chrono::microseconds(wait.tv_usec));
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const std::shared_ptr<Query> self = weak.lock();
    if (!error && self) self->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  });
}

ResolveResult Resolver::Query::result() const {
  std::vector<IpAddress> addresses = v4_;
  addresses.insert(addresses.end(), v6_.begin(), v6_.end());
  if (addresses.size() > kMaxAddresses) addresses.resize(kMaxAddresses);
  if (addresses.empty()) return std::unexpected(error_.value_or(ResolveError::NotFound));
  return addresses;
}

void Resolver::Query::finish(ResolveResult result) {
  if (state_ == State::Done) return;
  tear_down();
  const Handler handler = std::exchange(handler_, nullptr);
  if (handler) handler(std::move(result));
}

void Resolver::Query::finish_later(ResolveResult result) {
  if (state_ == State::Done) return;
  tear_down();
  asio::post(slots_->strand(), [weak = weak_from_this(), result = std::move(result)]() mutable {
    const std::shared_ptr<Query> self = weak.lock();
    if (!self) return;
    const Handler handler = std::exchange(self->handler_, nullptr);
    if (handler) handler(std::move(result));
  });
}

void Resolver::Query::abandon() noexcept {
  handler_ = nullptr;
  tear_down();
}

void Resolver::Query::cancel() { finish_later(std::unexpected(ResolveError::Cancelled)); }

void Resolver::Query::tear_down() noexcept {
  const bool held_slot = state_ == State::Running;
  state_ = State::Done;
  channel_.reset();
  watches_.clear();
  limit_.cancel();
  timer_.cancel();
  if (held_slot) slots_->give_back();
}

}  // namespace isotube::runtime
