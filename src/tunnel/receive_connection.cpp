// What the peer sends for one connection.
#include <utility>

#include "tunnel/session_impl.hpp"

namespace isotube::tunnel {
namespace {

constexpr std::string_view kTubeBudget = "tube budget";

/// A buffer goes on as it is only if it holds at most so many times its payload: one byte of credit behind a long Ping
/// must not pin the whole message. Size classes alone make 2 of it.
constexpr std::size_t kMaxPinned = 4;

constexpr auto broken(std::string_view how) { return std::unexpected(how); }

}  // namespace

std::expected<Session::Impl::Entry, std::string_view> Session::Impl::known(const Channel& channel, ConnNo conn_no) {
  const Entry entry = connections_.find(conn_no);
  if (entry == connections_.end()) {
    ++counters_.unknown_connections;
    return entry;
  }
  if (channel.kind == ChannelKind::Data && channel.id != entry->second.channel) {
    return broken("a frame on another channel than its connection's");
  }
  return entry;
}

Session::Impl::Verdict Session::Impl::receive(const Channel& channel, const frame::OpenConnection& open) {
  if (open.conn_no == frame::kControl) return broken("a connection numbered 0");
  const bool is_odd = (std::to_underlying(open.conn_no) & 1) != 0;
  if (peer_hello_ == PeerHello::Spoken && is_odd == (side_ == Side::Offerer)) {
    return broken("a connection number of the wrong parity");
  }
  if (const Entry entry = connections_.find(open.conn_no); entry != connections_.end()) {
    const bool crossed = peer_hello_ == PeerHello::Absent && entry->second.opener == Opener::Us && !entry->second.heard;
    if (!crossed) return broken("a connection number that is in use");
    if (side_ == Side::Offerer) {
      entry->second.collided = true;
      return {};
    }
    end(entry, CloseReason::Error, "the peer opened the same number");
  }
  if (!settings_.peer_may_open) {
    refuse(channel, open.conn_no, CloseReason::ServerRefuse, "not allowed on this side");
  } else if (open.target && settings_.fixed_target) {
    refuse(channel, open.conn_no, CloseReason::InvalidInstruction, "this tube has a fixed target");
  } else if (!open.target && !settings_.fixed_target) {
    refuse(channel, open.conn_no, CloseReason::InvalidInstruction, "the target is missing");
  } else if (over_budget() || numbers_exhausted()) {
    refuse(channel, open.conn_no, CloseReason::Error, kTubeBudget);
  } else {
    add_connection(open.conn_no, channel.id, Opener::Peer);
    events_.push_back(OpenRequested{open.conn_no, open.target ? *open.target : *settings_.fixed_target});
  }
  return {};
}

void Session::Impl::refuse(const Channel& channel, ConnNo conn_no, CloseReason reason, std::string_view message) {
  send_close(overtaking(channel.id), conn_no, reason, message);
  // Without a record the number counts as unknown, which discards as well: a peer that opens and never answers can't
  // make us keep more.
  if (numbers_exhausted()) return;
  Connection refused{.channel = channel.id, .opener = Opener::Peer, .phase = Phase::Lingering};
  connections_.emplace(conn_no, refused);
}

Session::Impl::Verdict Session::Impl::receive(const Channel& channel, const frame::ConnectionOpened& opened) {
  const auto entry = known(channel, opened.conn_no);
  if (!entry) return std::unexpected(entry.error());
  if (*entry == connections_.end()) return {};
  Connection& connection = (*entry)->second;
  if (connection.opener != Opener::Us || connection.phase != Phase::Opening) {
    // On its way while we closed, or out of turn: either way it changes nothing.
    ++counters_.unexpected_frames;
    return {};
  }
  connection.phase = Phase::Open;
  connection.heard = true;
  connection.collided = false;
  events_.push_back(ConnectionOpened{opened.conn_no});
  return {};
}

Session::Impl::Verdict Session::Impl::receive_data(const Channel& channel, const frame::Frame& frame, Buffer* whole) {
  if (state_ == State::Draining) return {};
  if (channel.kind == ChannelKind::Data && peer_hello_ == PeerHello::Awaited) learn_of_hello(PeerHello::Absent, false);
  if (frame.payload.empty()) return {};
  if (channel.kind == ChannelKind::Control) return broken("data on `control`");
  const auto entry = known(channel, frame.conn_no);
  if (!entry) return std::unexpected(entry.error());
  if (*entry == connections_.end()) return {};
  if (!may_receive(*entry)) {
    counters_.bytes_discarded += frame.payload.size();
    return {};
  }
  if (const auto refused = out_of_turn(*entry)) {
    abort(*entry, CloseReason::ProtocolError, *refused);
    return {};
  }
  Connection& connection = (*entry)->second;
  const std::size_t size = frame.payload.size();
  if (credit_counts()) {
    if (size > connection.receive_credit) {
      abort(*entry, CloseReason::ProtocolError, "more data than was granted");
      return {};
    }
    connection.receive_credit -= size;
  } else if (connection.unconsumed + size >= settings_.uncredited_limit ||
             unconsumed_ + size > settings_.credit_budget) {
    abort(*entry, CloseReason::Error, "buffer limit");
    return {};
  }
  connection.unconsumed += size;
  unconsumed_ += size;
  deliver(frame.conn_no, frame.payload, whole);
  return {};
}

bool Session::Impl::may_receive(Entry entry) const {
  const Connection& connection = entry->second;
  return !connection.collided && (connection.phase == Phase::Opening || connection.phase == Phase::Open);
}

std::optional<std::string_view> Session::Impl::out_of_turn(Entry entry) const {
  const Connection& connection = entry->second;
  if (connection.eof_received) return "something after SendEOF";
  if (connection.phase == Phase::Opening && connection.opener == Opener::Us) return "data before ConnectionOpened";
  return std::nullopt;
}

void Session::Impl::deliver(ConnNo conn_no, ByteView payload, Buffer* whole) {
  if (whole != nullptr && whole->capacity() <= kMaxPinned * payload.size()) {
    // The frame ends the message: its buffer goes on as it is, without a copy.
    whole->remove_suffix(frame::kTrailerSize);
    whole->remove_prefix(whole->size() - payload.size());
    events_.push_back(Data{conn_no, std::move(*whole)});
    return;
  }
  // Frames of one byte each must not pin a buffer each.
  if (!events_.empty()) {
    auto* before = std::get_if<Data>(&events_.back());
    if (before != nullptr && before->conn_no == conn_no && before->payload.tailroom() >= payload.size()) {
      before->payload.append(payload);
      return;
    }
  }
  events_.push_back(Data{conn_no, pool_.copy_of(payload)});
}

Session::Impl::Verdict Session::Impl::receive(const Channel& channel, const frame::SendEof& eof) {
  const auto entry = known(channel, eof.conn_no);
  if (!entry) return std::unexpected(entry.error());
  if (*entry == connections_.end() || !may_receive(*entry)) return {};
  if (const auto refused = out_of_turn(*entry)) {
    abort(*entry, CloseReason::ProtocolError, *refused);
    return {};
  }
  (*entry)->second.eof_received = true;
  events_.push_back(Eof{eof.conn_no});
  return {};
}

Session::Impl::Verdict Session::Impl::receive(const Channel& channel, const frame::WindowUpdate& update) {
  const auto entry = known(channel, update.conn_no);
  if (!entry) return std::unexpected(entry.error());
  if (*entry == connections_.end()) return {};
  Connection& connection = (*entry)->second;
  const bool matters = connection.phase == Phase::Opening || connection.phase == Phase::Open;
  if (!matters || connection.collided || !credit_counts()) return {};
  connection.heard = true;
  if (connection.send_credit + update.credit > kMaxCredit) {
    abort(*entry, CloseReason::ProtocolError, "more credit than can be counted");
    return {};
  }
  const bool was_empty = connection.send_credit == 0;
  connection.send_credit += update.credit;
  if (was_empty && connection.send_credit > 0 && connection.may_write()) events_.push_back(Writable{update.conn_no});
  return {};
}

Session::Impl::Verdict Session::Impl::receive(const Channel& channel, const frame::CloseConnection& close) {
  if (close.conn_no == frame::kControl) {
    // Not answered, and what follows in the message is for nobody.
    finish_tube(close.reason, close.message);
    return {};
  }
  const auto found = known(channel, close.conn_no);
  if (!found) return std::unexpected(found.error());
  const Entry entry = *found;
  if (entry == connections_.end()) return {};
  switch (entry->second.phase) {
    case Phase::Lingering:
    case Phase::Finishing:
      end(entry, close.reason, close.message);
      break;
    case Phase::Delivering:
      ++counters_.unknown_connections;
      break;
    case Phase::Opening:
    case Phase::Open:
      receive_close(channel, entry, close);
      break;
  }
  return {};
}

void Session::Impl::receive_close(const Channel& channel, Entry entry, const frame::CloseConnection& close) {
  Connection& connection = entry->second;
  const bool refused = connection.phase == Phase::Opening && connection.opener == Opener::Us;
  if (close.reason != CloseReason::Normal || refused || connection.eof_delivered) {
    send_close(channel, entry->first, close.reason, {});
    end(entry, close.reason, close.message);
    return;
  }
  // What came before is still delivered; our answer follows that.
  connection.phase = Phase::Delivering;
  if (connection.eof_received) return;
  connection.eof_received = true;
  events_.push_back(Eof{entry->first});
}

}  // namespace isotube::tunnel
