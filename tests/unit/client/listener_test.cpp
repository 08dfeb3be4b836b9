#include "client/listener.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

namespace isotube::client {
namespace {

using ::testing::HasSubstr;

Forward forward_to(const std::string& text) { return Forward::parse(text).value(); }

TEST(Listener, TellsWhichPortZeroBecame) {
  boost::asio::io_context context;
  const auto listener = listen(context.get_executor(), forward_to("0:host:80"));
  ASSERT_TRUE(listener);
  EXPECT_EQ(listener->address().ip, IpAddress::v4({127, 0, 0, 1}));
  EXPECT_NE(listener->address().port, 0);
  for (const auto& acceptor : listener->acceptors) {
    EXPECT_EQ(acceptor.local_endpoint().port(), listener->address().port);
    EXPECT_TRUE(acceptor.local_endpoint().address().is_loopback());
  }
}

TEST(Listener, SaysWhichPortIsTaken) {
  boost::asio::io_context context;
  const auto first = listen(context.get_executor(), forward_to("127.0.0.1:0:host:80"));
  ASSERT_TRUE(first);
  const std::string text = "127.0.0.1:" + std::to_string(first->address().port) + ":host:80";
  const auto second = listen(context.get_executor(), forward_to(text));
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error(), HasSubstr("-L " + text));
  EXPECT_THAT(second.error(), HasSubstr("Another program has the port"));
}

TEST(Listener, RefusesAnAddressThatIsNotOurs) {
  boost::asio::io_context context;
  const auto listener = listen(context.get_executor(), forward_to("192.0.2.1:0:host:80"));
  ASSERT_FALSE(listener);
  EXPECT_THAT(listener.error(), HasSubstr("No interface of this machine"));
}

TEST(Listener, ListensOnEveryInterfaceForAStar) {
  boost::asio::io_context context;
  const auto listener = listen(context.get_executor(), forward_to("*:0:host:80"));
  ASSERT_TRUE(listener);
  EXPECT_TRUE(listener->address().ip.is_unspecified());
}

}  // namespace
}  // namespace isotube::client
