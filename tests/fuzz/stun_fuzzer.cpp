// USES stun
// Reads any bytes as a STUN message with every getter, and checks that what was read can be written and read again.
#include <cstdint>

#include "base/assert.hpp"
#include "stun/builder.hpp"
#include "stun/credentials.hpp"
#include "stun/integrity.hpp"
#include "stun/message.hpp"

namespace {

using namespace isotube;        // NOLINT(google-build-using-namespace): a program of its own
using namespace isotube::stun;  // NOLINT(google-build-using-namespace): a program of its own

void read_everything(const MessageView& message) {
  for (const Attribute& attribute : message.attributes()) {
    (void)message.text(attribute.type);
    (void)message.u32(attribute.type);
    (void)message.u64(attribute.type);
    (void)message.address(attribute.type);
    (void)message.xor_address(attribute.type);
    (void)message.password_algorithms(attribute.type);
  }
  if (const auto error = message.error()) ISOTUBE_ASSERT(error->code >= 300 && error->code <= 699);
  (void)message.unknown_attributes();
  (void)message.not_understood({});
  (void)message.fingerprint_is_right();
}

/// Writes the attributes that count again, protects them with a known key, and expects to read the same.
void write_again(const MessageView& message, IntegrityKey& key) {
  MessageBuilder builder(message.message_class(), message.method(), message.transaction_id());
  for (const Attribute& attribute : message.attributes()) builder.bytes(attribute.type, attribute.value);
  if (builder.size() > 60'000) return;
  const Bytes bytes = builder.integrity(Integrity::Sha1, key).integrity(Integrity::Sha256, key).fingerprint().take();
  const auto again = MessageView::parse(bytes);
  ISOTUBE_ASSERT(again.has_value());
  ISOTUBE_ASSERT(again->fingerprint_is_right());
  ISOTUBE_ASSERT(key.check(*again) == IntegrityCheck::Right);
  auto other = again->attributes().begin();
  for (const Attribute& attribute : message.attributes()) {
    ISOTUBE_ASSERT(attribute.type == (*other).type);
    ISOTUBE_ASSERT(std::ranges::equal(attribute.value, (*other).value));
    ++other;
  }
  ISOTUBE_ASSERT(other == std::default_sentinel);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = MessageView::parse(std::as_bytes(std::span(data, size)));
  if (!message) return 0;
  IntegrityKey key(as_byte_view("VOkJxbRl1RmTxUk/WvJxBt"));
  (void)key.check(*message);
  read_everything(*message);
  write_again(*message, key);
  return 0;
}
