#include "dtls/datagram_bio.hpp"

#include <algorithm>
#include <utility>

#include "dtls/record.hpp"

namespace isotube::dtls {
namespace {

DatagramBio& self(BIO* bio) { return *static_cast<DatagramBio*>(BIO_get_data(bio)); }

}  // namespace

DatagramBio::DatagramBio(std::size_t mtu)
    // BIO_get_new_index() has 127 numbers for the whole process; nothing looks ours up by type.
    : method_(or_bad_alloc(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "datagrams in memory"))), mtu_(mtu) {
  BIO_meth_set_write(method_.get(), &DatagramBio::on_write);
  BIO_meth_set_read(method_.get(), &DatagramBio::on_read);
  BIO_meth_set_ctrl(method_.get(), &DatagramBio::on_control);
  BIO_meth_set_create(method_.get(), &DatagramBio::on_create);
}

void DatagramBio::attach(SSL& ssl) {
  // One for each direction: a write inside a read would clear the flag that says "wants more".
  OwnedBio reading(or_bad_alloc(BIO_new(method_.get())));
  OwnedBio writing(or_bad_alloc(BIO_new(method_.get())));
  BIO_set_data(reading.get(), this);
  BIO_set_data(writing.get(), this);
  SSL_set_bio(&ssl, reading.release(), writing.release());
}

void DatagramBio::divert_to(MutableByteView out) {
  diversion_ = out;
  diverted_ = 0;
}

std::size_t DatagramBio::finish_diversion() {
  diversion_.reset();
  return std::exchange(diverted_, 0);
}

std::optional<Bytes> DatagramBio::take_waiting() {
  if (waiting() == 0) return std::nullopt;
  Bytes datagram = std::move(waiting_[sent_++]);
  if (sent_ == waiting_.size()) {
    waiting_ = {};
    sent_ = 0;
  }
  return datagram;
}

bool DatagramBio::write(ByteView datagram) {
  const bool sealed_data =
      !datagram.empty() && datagram.front() == static_cast<std::byte>(ContentType::ApplicationData);
  if (diversion_ && sealed_data) {
    if (diverted_ != 0 || datagram.size() > diversion_->size()) return false;
    std::ranges::copy(datagram, diversion_->begin());
    diverted_ = datagram.size();
    return true;
  }
  if (waiting() < kMaxWaiting) waiting_.push_back(to_bytes(datagram));
  return true;
}

void DatagramBio::renumber_plaintext(MutableByteView record) {
  constexpr std::size_t kEpochAt = 3;
  constexpr std::size_t kNumberAt = 5;
  constexpr std::size_t kNumberEnd = 11;
  if (record.size() < kNumberEnd) return;
  if (ByteReader(record.subspan(kEpochAt)).u16() != 0) return;
  SpanWriter number(record.subspan(kNumberAt, kNumberEnd - kNumberAt));
  number.u16(0);
  number.u32(plaintext_taken_++);
}

int DatagramBio::on_write(BIO* bio, const char* bytes, int length) noexcept {
  BIO_clear_retry_flags(bio);
  if (bytes == nullptr || length <= 0) return 0;
  try {
    const ByteView datagram = std::as_bytes(std::span(bytes, static_cast<std::size_t>(length)));
    return self(bio).write(datagram) ? length : -1;
  } catch (...) {
    // Out of memory: the datagram is lost as on any network, and DTLS repeats it.
    return length;
  }
}

int DatagramBio::on_read(BIO* bio, char* out, int room) noexcept {
  BIO_clear_retry_flags(bio);
  DatagramBio& us = self(bio);
  const ByteView record = std::exchange(us.offered_, ByteView());
  if (out == nullptr || room <= 0 || record.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  // A record longer than OpenSSL's buffer is cut, as a datagram socket would do; it does not decrypt then.
  const std::size_t length = std::min(record.size(), static_cast<std::size_t>(room));
  const MutableByteView taken = std::as_writable_bytes(std::span(out, length));
  std::ranges::copy(record.first(length), taken.begin());
  us.renumber_plaintext(taken);
  return static_cast<int>(length);
}

long DatagramBio::on_control(BIO* bio, int command, long number, void* /*pointer*/) noexcept {
  switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP:
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
      return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
      return static_cast<long>(self(bio).mtu_);
    case BIO_CTRL_DGRAM_SET_MTU:
      return number;
    default:
      // Among them BIO_CTRL_DGRAM_GET_MTU_OVERHEAD: the MTU that we are given is without IP and UDP headers.
      return 0;
  }
}

int DatagramBio::on_create(BIO* bio) noexcept {
  BIO_set_init(bio, 1);
  return 1;
}

}  // namespace isotube::dtls
