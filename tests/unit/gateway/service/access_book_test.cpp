// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/access_book.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "storage_object/base/errc.hpp"

namespace caisson::service {
namespace {

class AccessBookTest : public ::testing::Test {
 protected:
  AccessBookTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "access-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    reopen();
  }
  ~AccessBookTest() override {
    book_.reset();
    catalog_.reset();
    std::filesystem::remove_all(directory_);
  }

  void reopen() {
    book_.reset();
    catalog_.reset();
    auto opened = catalog::Catalog::open({.path = directory_ + "/catalog.db"});
    ASSERT_TRUE(opened) << opened.error().message;
    catalog_ = std::move(*opened);
    book_ = std::make_unique<AccessBook>(*catalog_);
    ASSERT_TRUE(book_->load());
  }

  static catalog::HostRecord open_host(std::string name, std::vector<std::string> iqns = {}) {
    catalog::HostRecord host;
    host.name = std::move(name);
    host.iqns = std::move(iqns);
    host.no_auth = true;
    return host;
  }

  Uuid add_lun(std::string name) {
    catalog::LunRecord lun;
    lun.uuid = Uuid::random();
    lun.file = name + ".img";
    lun.name = std::move(name);
    lun.store = "main";
    lun.capacity = 4096;
    lun.naa = lun.uuid.to_string();
    lun.serial = lun.naa;
    lun.target_name = "iqn.test:" + lun.name;
    auto stored = catalog_->change([&](catalog::Transaction& change) -> Outcome<> {
      catalog::StoreRecord store;
      store.name = "main";
      store.location = "/nowhere";
      if (auto put = change.put_store(store); !put) return put;
      return change.put_lun(lun);
    });
    EXPECT_TRUE(stored) << stored.error().message;
    return lun.uuid;
  }

  std::string directory_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<AccessBook> book_;
};

Errc code(const Failure& failure) { return to_errc(failure.code); }

TEST_F(AccessBookTest, InitiatorNamesAreKeptInNormalForm) {
  auto host = book_->put_host(
      open_host("a", {"IQN.2001-04.com.Example:X", "iqn.2001-04.com.example:x"}), false);
  ASSERT_TRUE(host) << host.error().message;
  EXPECT_THAT(host->iqns, ::testing::ElementsAre("iqn.2001-04.com.example:x"));
  for (const char* name : {"iqn.", "example", "iqn.2001-04.com.example:a b", "eui.1"})
    EXPECT_EQ(code(book_->put_host(open_host("b", {name}), false).error()), Errc::invalid_argument)
        << name;
}

TEST_F(AccessBookTest, HostSurvivesReopening) {
  auto host = open_host("db", {"IQN.2001-04.com.example:db"});
  auto stored = book_->put_host(host, false);
  ASSERT_TRUE(stored) << stored.error().message;
  reopen();
  const auto state = book_->state();
  const auto* found = state->host("db");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->id, stored->id);
  EXPECT_EQ(state->host_of_initiator("iqn.2001-04.com.example:db"), found);
}

TEST_F(AccessBookTest, DryRunChangesNothing) {
  ASSERT_TRUE(book_->put_host(open_host("db"), true));
  EXPECT_EQ(book_->state()->host("db"), nullptr);
  EXPECT_THAT(*catalog_->hosts(), ::testing::IsEmpty());
}

TEST_F(AccessBookTest, OneInitiatorBelongsToOneHost) {
  ASSERT_TRUE(book_->put_host(open_host("a", {"iqn.2001-04.com.example:x"}), false));
  auto second = book_->put_host(open_host("b", {"iqn.2001-04.com.example:x"}), false);
  ASSERT_FALSE(second);
  EXPECT_EQ(code(second.error()), Errc::already_exists);
  EXPECT_THAT(second.error().message, ::testing::HasSubstr("host a"));
}

TEST_F(AccessBookTest, UnlistedInitiatorIsTheHostStarOrNobody) {
  EXPECT_EQ(book_->state()->host_of_initiator("iqn.2001-04.com.example:x"), nullptr);
  ASSERT_TRUE(book_->put_host(open_host("*"), false));
  EXPECT_EQ(book_->state()->host_of_initiator("iqn.2001-04.com.example:x")->name, "*");
}

struct SecretCase {
  const char* name;
  std::string chap, mutual;
  bool accepted;
};

class SecretTest : public AccessBookTest, public ::testing::WithParamInterface<SecretCase> {};

TEST_P(SecretTest, LengthAndDifferenceAreChecked) {
  catalog::HostRecord host;
  host.name = "db";
  host.chap_user = "db";
  host.chap_secret = GetParam().chap;
  if (!GetParam().mutual.empty()) {
    host.mutual_user = "gateway";
    host.mutual_secret = GetParam().mutual;
  }
  EXPECT_EQ(book_->put_host(host, false).has_value(), GetParam().accepted);
}

INSTANTIATE_TEST_SUITE_P(
    Rfc7143, SecretTest,
    ::testing::Values(SecretCase{"twelve", "123456789012", "", true},
                      SecretCase{"sixteen", "1234567890123456", "", true},
                      SecretCase{"eleven", "12345678901", "", false},
                      SecretCase{"seventeen", "12345678901234567", "", false},
                      SecretCase{"blank", "1234567 9012", "", false},
                      SecretCase{"mutual", "123456789012", "abcdefghijkl", true},
                      SecretCase{"mutual_short", "123456789012", "abc", false},
                      SecretCase{"mutual_same", "123456789012", "123456789012", false}),
    [](const auto& info) { return info.param.name; });

TEST_F(AccessBookTest, EditSeesTheHostAsItIsAndSaysWhetherItChanged) {
  ASSERT_TRUE(book_->put_host(open_host("db", {"iqn.2001-04.com.example:b"}), false));
  auto add = [](catalog::HostRecord& host) -> Outcome<> {
    host.iqns.emplace_back("IQN.2001-04.com.example:A");
    return {};
  };
  auto edited = book_->change_host("db", add, false);
  ASSERT_TRUE(edited);
  EXPECT_TRUE(edited->changed);
  EXPECT_THAT(edited->host.iqns,
              ::testing::ElementsAre("iqn.2001-04.com.example:a", "iqn.2001-04.com.example:b"));
  EXPECT_FALSE(book_->change_host("db", add, false)->changed);
  EXPECT_FALSE(book_->change_host("none", add, false));
}

TEST_F(AccessBookTest, HostWithNeitherChapNorNoAuthIsRefused) {
  catalog::HostRecord host;
  host.name = "db";
  EXPECT_FALSE(book_->put_host(host, false));
}

TEST_F(AccessBookTest, OwnGrantGoesBeforeThatOfStar) {
  auto lun = add_lun("a");
  auto any = book_->put_host(open_host("*"), false);
  auto own = book_->put_host(open_host("db", {"iqn.2001-04.com.example:db"}), false);
  ASSERT_TRUE(book_->put_grant({.lun = lun, .host = any->id, .lun_number = 3}, false));
  EXPECT_EQ(book_->state()->effective(lun, own->id)->lun_number, 3U);
  ASSERT_TRUE(
      book_->put_grant({.lun = lun, .host = own->id, .read_only = true, .lun_number = 5}, false));
  const auto state = book_->state();
  EXPECT_TRUE(state->effective(lun, own->id)->read_only);
  EXPECT_FALSE(state->effective(lun, any->id)->read_only);
}

TEST_F(AccessBookTest, ProposedGrantIsNotInForce) {
  auto lun = add_lun("a");
  auto host = book_->put_host(open_host("db"), false);
  ASSERT_TRUE(book_->put_grant({.lun = lun, .host = host->id, .proposed = true}, false));
  EXPECT_EQ(book_->state()->effective(lun, host->id), nullptr);
}

TEST_F(AccessBookTest, HostWithGrantsIsNotErased) {
  auto lun = add_lun("a");
  auto host = book_->put_host(open_host("db"), false);
  ASSERT_TRUE(book_->put_grant({.lun = lun, .host = host->id}, false));
  auto refused = book_->erase_host("db", false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(code(refused.error()), Errc::in_use);
  EXPECT_TRUE(*book_->erase_grant(lun, host->id, false));
  EXPECT_FALSE(*book_->erase_grant(lun, host->id, false));
  EXPECT_TRUE(book_->erase_host("db", false));
  reopen();
  EXPECT_TRUE(book_->state()->hosts.empty());
}

}  // namespace
}  // namespace caisson::service
