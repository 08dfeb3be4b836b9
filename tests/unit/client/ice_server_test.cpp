#include "client/ice_server.hpp"

#include <gtest/gtest.h>

namespace isotube::client {
namespace {

using Scheme = IceServer::Scheme;

TEST(IceServer, ReadsStunAndTurnUrls) {
  const auto stun = IceServer::parse("stun:stun.example.com");
  ASSERT_TRUE(stun);
  EXPECT_EQ(stun->scheme, Scheme::Stun);
  EXPECT_EQ(stun->port, 3478);
  const auto turns = IceServer::parse("turns:[2001:db8::1]?transport=tcp");
  ASSERT_TRUE(turns);
  EXPECT_EQ(turns->scheme, Scheme::Turns);
  EXPECT_EQ(turns->host, "2001:db8::1");
  EXPECT_EQ(turns->port, 5349);
  EXPECT_EQ(turns->transport, "tcp");
  EXPECT_EQ(IceServer::parse("TURN:relay:1234")->port, 1234);
}

TEST(IceServer, RefusesOtherUrls) {
  for (const char* url : {"", "stun", "stun:", "http://host", "stun:host:0", "stun:host?transport=udp",
                          "turn:host?transport=sctp", "turn:user@host", "stun:2001:db8::1"}) {
    EXPECT_FALSE(IceServer::parse(url)) << url;
  }
}

// The example of RFC 9725 4.6.
TEST(LinkField, GivesServersWithTheirCredentials) {
  const auto servers = ice_servers_of_link(
      R"(<stun:stun.example.net>; rel="ice-server", <turn:turn.example.net?transport=udp>; rel="ice-server"; )"
      R"(username="user"; credential="myPassword"; credential-type="password")");
  ASSERT_EQ(servers.size(), 2U);
  EXPECT_EQ(servers[0].host, "stun.example.net");
  EXPECT_EQ(servers[1].transport, "udp");
  EXPECT_EQ(servers[1].username, "user");
  EXPECT_EQ(servers[1].credential, "myPassword");
}

TEST(LinkField, TakesCommasAndEscapesInsideQuotes) {
  const auto servers = ice_servers_of_link(
      R"(<turn:a>; rel=ice-server; username="x,y;\"z\""; credential="1", <turn:b>; rel=ice-server)");
  ASSERT_EQ(servers.size(), 2U);
  EXPECT_EQ(servers[0].username, "x,y;\"z\"");
  EXPECT_EQ(servers[1].host, "b");
}

TEST(LinkField, LeavesOutOtherRelationsAndWhatCanNotBeRead) {
  EXPECT_TRUE(ice_servers_of_link(R"(<stun:a>; rel="next", <http://b>; rel="ice-server", stun:c, ;;, <, ")").empty());
}

TEST(LinkField, IsBounded) {
  std::string field;
  for (int i = 0; i < 1000; ++i) field += "<stun:a>; rel=ice-server,";
  EXPECT_EQ(ice_servers_of_link(field).size(), 16U);
}

}  // namespace
}  // namespace isotube::client
