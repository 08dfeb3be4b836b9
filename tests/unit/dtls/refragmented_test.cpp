#include <gtest/gtest.h>

#include <algorithm>

#include "pair.hpp"
#include "wire.hpp"

namespace isotube::dtls {
namespace {

/// Cuts plaintext handshake messages anew, to other sizes each time, and numbers the plaintext records itself.
class Refragmenter {
 public:
  explicit Refragmenter(std::size_t first_size) : size_(first_size) {}

  std::vector<Bytes> operator()(ByteView datagram) {
    std::vector<Bytes> out;
    for (const Bytes& record : records_of(datagram)) {
      if (!is_plaintext(record)) {
        out.push_back(record);
      } else if (type_of(record) != 22) {
        out.push_back(record_of(type_of(record), 0, number_++, ByteView(record).subspan(kRecordHeader)));
      } else {
        cut(ByteView(record).subspan(kRecordHeader), out);
      }
    }
    return out;
  }

 private:
  void cut(ByteView message, std::vector<Bytes>& out) {
    ByteReader reader(message);
    const ByteView type_length_and_number = reader.bytes(6);
    const std::uint32_t offset = static_cast<std::uint32_t>(reader.u8()) << 16 | reader.u16();
    reader.skip(3);
    ByteView body = reader.rest();
    auto at = offset;
    do {
      const std::size_t take = std::min(size_, body.size());
      Bytes fragment;
      BytesWriter writer(fragment);
      writer.bytes(type_length_and_number);
      writer.u8(static_cast<std::uint8_t>(at >> 16));
      writer.u16(static_cast<std::uint16_t>(at & 0xFFFF));
      writer.u8(0);
      writer.u16(static_cast<std::uint16_t>(take));
      writer.bytes(body.first(take));
      out.push_back(record_of(22, 0, number_++, fragment));
      body = body.subspan(take);
      at += static_cast<std::uint32_t>(take);
      size_ = size_ < 20 ? 150 : size_ - 7;
    } while (!body.empty());
  }

  std::size_t size_;
  std::uint32_t number_ = 0;
};

TEST(Refragmented, MessagesAreReassembled) {
  Pair pair;
  Refragmenter client(40);
  Refragmenter server(30);
  pair.wire = [&](Role from, std::size_t, const Bytes& datagram) {
    return from == Role::Client ? client(datagram) : server(datagram);
  };
  const TimePoint begin = pair.now;
  ASSERT_TRUE(pair.connect());
  EXPECT_EQ(pair.now, begin);
}

// Repeats that are cut elsewhere than the first time, with every third piece lost the first time (row D2).
TEST(Refragmented, RepeatsCompleteWhatTheFirstTimeLeftOpen) {
  Pair pair;
  Refragmenter client(40);
  Refragmenter server(30);
  std::size_t pieces = 0;
  pair.wire = [&](Role from, std::size_t, const Bytes& datagram) {
    std::vector<Bytes> arriving;
    for (Bytes& piece : from == Role::Client ? client(datagram) : server(datagram)) {
      if (++pieces % 3 != 0 || pieces > 60) arriving.push_back(std::move(piece));
    }
    return arriving;
  };
  const TimePoint begin = pair.now;
  ASSERT_TRUE(pair.connect());
  EXPECT_GT(pair.now, begin);
  EXPECT_LT(pair.now - begin, std::chrono::seconds(15));
}

TEST(Refragmented, PiecesInReverseOrderAreReassembled) {
  Pair pair;
  Refragmenter client(60);
  Refragmenter server(60);
  pair.wire = [&](Role from, std::size_t, const Bytes& datagram) {
    std::vector<Bytes> pieces = from == Role::Client ? client(datagram) : server(datagram);
    std::ranges::reverse(pieces);
    return pieces;
  };
  EXPECT_TRUE(pair.connect());
}

}  // namespace
}  // namespace isotube::dtls
