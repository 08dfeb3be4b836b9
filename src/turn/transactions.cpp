#include "turn/transactions.hpp"

#include <algorithm>
#include <utility>

#include "stun/builder.hpp"

namespace isotube::turn {
namespace {

using stun::AttributeType;

/// RFC 8656 18.7: protocol number 17 in the first of four bytes.
constexpr std::uint32_t kUdp = 17U << 24;
/// RFC 8656 18.6: family in the first of four bytes.
constexpr std::uint32_t kIpv6 = 2U << 24;

bool is_for_peer(const Transaction& transaction) {
  return transaction.question.purpose == Purpose::Permission || transaction.question.purpose == Purpose::Channel;
}

void write_question(stun::MessageBuilder& request, const Question& question) {
  switch (question.purpose) {
    case Purpose::Allocate:
      request.u32(AttributeType::RequestedTransport, kUdp);
      request.u32(AttributeType::Lifetime, static_cast<std::uint32_t>(kLifetime.count()));
      if (question.wants_v6) request.u32(AttributeType::RequestedAddressFamily, kIpv6);
      return;
    case Purpose::Refresh:
      request.u32(AttributeType::Lifetime, static_cast<std::uint32_t>(kLifetime.count()));
      return;
    case Purpose::Release:
      request.u32(AttributeType::Lifetime, 0);
      return;
    case Purpose::Channel:
      request.u32(AttributeType::ChannelNumber, static_cast<std::uint32_t>(question.channel) << 16);
      request.xor_address(AttributeType::XorPeerAddress, question.peer);
      return;
    case Purpose::Permission:
      request.xor_address(AttributeType::XorPeerAddress, question.peer);
      return;
  }
}

}  // namespace

stun::Method method_of(Purpose purpose) {
  switch (purpose) {
    case Purpose::Allocate:
      return stun::Method::Allocate;
    case Purpose::Refresh:
    case Purpose::Release:
      return stun::Method::Refresh;
    case Purpose::Permission:
      return stun::Method::CreatePermission;
    case Purpose::Channel:
      return stun::Method::ChannelBind;
  }
  return stun::Method::Refresh;
}

Transaction& Transactions::begin(TimePoint now, const Question& question, Transport transport, TimePoint give_up_at,
                                 Login& login) {
  Transaction& transaction = transactions_.emplace_back();
  transaction.question = question;
  if (is_for_peer(transaction)) ++of_peers_;
  ask_again(now, transaction, transport, login);
  if (transport != Transport::Udp) transaction.give_up_at = give_up_at;
  return transaction;
}

void Transactions::ask_again(TimePoint now, Transaction& transaction, Transport transport, Login& login) {
  transaction.id = stun::TransactionId::draw(random_);
  transaction.sent_at = now;
  transaction.signature.reset();
  transaction.mistaken.reset();
  transaction.mistaken_code = 0;
  transaction.mistaken_reason.clear();
  transaction.retransmission.reset();
  transaction.give_up_at = kNever;
  stun::MessageBuilder request(stun::Class::Request, method_of(transaction.question.purpose), transaction.id);
  write_question(request, transaction.question);
  if (login.challenged()) {
    login.sign(request);
    transaction.signature = Transaction::Signature{login.realm(), login.nonce()};
  }
  transaction.request = request.take();
  if (transport == Transport::Udp) {
    transaction.retransmission.emplace(now, settings_.rto, settings_.requests, settings_.last_wait);
  } else {
    transaction.give_up_at = now + settings_.stream_timeout;
  }
}

Transaction* Transactions::find(const stun::TransactionId& id) {
  const auto found = std::ranges::find(transactions_, id, &Transaction::id);
  return found == transactions_.end() ? nullptr : &*found;
}

Transaction* Transactions::find(Purpose purpose) {
  const auto found = std::ranges::find_if(
      transactions_, [purpose](const Transaction& each) { return each.question.purpose == purpose; });
  return found == transactions_.end() ? nullptr : &*found;
}

Transaction* Transactions::due(TimePoint now) {
  const auto found =
      std::ranges::find_if(transactions_, [now](const Transaction& each) { return each.deadline() <= now; });
  return found == transactions_.end() ? nullptr : &*found;
}

Transaction Transactions::take(const Transaction& transaction) {
  const auto found = std::ranges::find(transactions_, transaction.id, &Transaction::id);
  Transaction taken = std::move(*found);
  if (is_for_peer(taken)) --of_peers_;
  transactions_.erase(found);
  return taken;
}

template <typename Condition>
void Transactions::forget_if(Condition condition) {
  of_peers_ -= std::erase_if(transactions_, condition);
}

void Transactions::forget_permission(const IpAddress& peer) {
  forget_if([&](const Transaction& each) {
    return each.question.purpose == Purpose::Permission && each.question.peer.ip == peer;
  });
}

void Transactions::forget_channel(const Address& peer) {
  forget_if(
      [&](const Transaction& each) { return each.question.purpose == Purpose::Channel && each.question.peer == peer; });
}

void Transactions::clear() {
  transactions_.clear();
  of_peers_ = 0;
}

TimePoint Transactions::deadline() const {
  TimePoint deadline = kNever;
  for (const Transaction& each : transactions_) deadline = std::min(deadline, each.deadline());
  return deadline;
}

}  // namespace isotube::turn
