// SPDX-License-Identifier: Apache-2.0
// `caisson snapshot diff`: pages put together, in every form.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>

#include "tests/unit/gateway/cli/fixture.hpp"

namespace caisson::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class CliDiffTest : public CliTest {
 protected:
  struct Extent {
    std::uint64_t offset, length;
    bool hole = false;
  };

  /// Pages of a disk of `capacity_`, each told up to the cursor.
  void serve_pages(std::vector<std::pair<std::vector<Extent>, std::uint64_t>> pages) {
    service_.answer_by(
        [this, pages = std::move(pages)](const auto&, const std::string& bytes, auto&) {
          wire::SnapshotDiffRequest request;
          EXPECT_TRUE(request.ParseFromString(bytes));
          cursors_.push_back(request.cursor());
          const auto& [extents, cursor] = pages.at(cursors_.size() - 1);
          wire::SnapshotDiffReply reply;
          for (const auto& extent : extents) {
            auto* out = reply.add_extents();
            out->set_offset(extent.offset);
            out->set_length(extent.length);
            out->set_hole(extent.hole);
          }
          reply.set_cursor(cursor);
          reply.set_done(cursors_.size() == pages.size());
          reply.set_capacity(capacity_);
          return ControlReply::success(reply.SerializeAsString());
        });
  }
  void serve_three_pages() {
    capacity_ = 1 << 20;
    serve_pages({{{{0, 4096}, {8192, 4096}}, 12288},
                 {{{12288, 8192}, {20480, 4096, true}}, 524288},
                 {{{1044480, 4096}}, 1 << 20}});
  }
  std::string content(const std::string& file) const {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  std::string path(const char* name) const { return (dir_.path() / name).string(); }

  std::uint64_t capacity_ = 0;
  std::vector<std::uint64_t> cursors_;
};

TEST_F(CliDiffTest, PagesBecomeOneTable) {
  serve_three_pages();
  auto ran = caisson({"snapshot", "diff", "db1", "a", "b"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.out,
            "          OFFSET            LENGTH  HOLE\n"
            "               0              4096  no\n"
            "            8192             12288  no\n"
            "           20480              4096  yes\n"
            "         1044480              4096  no\n"
            "24K of 1M changed, in 4 extents\n");
  EXPECT_THAT(cursors_, ::testing::ElementsAre(0, 12288, 524288));
}

TEST_F(CliDiffTest, JsonIsOneDocument) {
  for (std::vector<std::string> form :
       {std::vector<std::string>{"--format", "json"}, {"--output", "json"}}) {
    cursors_.clear();
    serve_three_pages();
    std::vector<std::string> words{"snapshot", "diff", "db1", "a"};
    words.insert(words.end(), form.begin(), form.end());
    auto ran = caisson(words);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    auto document = boost::json::parse(ran.out).as_object();
    EXPECT_EQ(document.at("lun"), "db1");
    EXPECT_EQ(document.at("to"), "");
    EXPECT_EQ(document.at("capacity"), 1 << 20);
    EXPECT_EQ(document.at("changed"), 24576);
    ASSERT_EQ(document.at("extents").as_array().size(), 4U);
    EXPECT_EQ(boost::json::serialize(document.at("extents").at(2)),
              R"({"offset":20480,"length":4096,"hole":true})");
  }
}

/// Bit by bit what the bitmap must be.
std::string bits_of(std::uint64_t capacity, std::uint64_t block,
                    const std::vector<std::pair<std::uint64_t, std::uint64_t>>& extents) {
  std::string out(((capacity + block - 1) / block + 7) / 8, '\0');
  for (const auto& [offset, length] : extents)
    for (auto at = offset / block; at <= (offset + length - 1) / block; ++at)
      out[at / 8] = static_cast<char>(out[at / 8] | 1 << (at % 8));
  return out;
}

TEST_F(CliDiffTest, BitmapHasABitForEachBlock) {
  const std::pair<const char*, std::uint64_t> rows[] = {
      {"4K", 4096}, {"512", 512}, {"64K", 65536}, {"1G", 1 << 30}};
  for (const auto& [text, block] : rows) {
    cursors_.clear();
    serve_three_pages();
    auto ran =
        caisson({"snapshot", "diff", "db1", "a", "--format", "bitmap", "--granularity", text});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_EQ(ran.out, bits_of(capacity_, block, {{0, 4096}, {8192, 16384}, {1044480, 4096}}))
        << text;
  }
}

TEST_F(CliDiffTest, BitmapHoldsAtEveryEdge) {
  for (std::uint64_t first = 0; first < 20; ++first)
    for (std::uint64_t count = 1; count < 40; ++count) {
      cursors_.clear();
      capacity_ = 61 * 4096 + 512;
      serve_pages({{{{first * 4096, count * 4096}}, 0}});
      auto ran = caisson({"snapshot", "diff", "db1", "a", "--format", "bitmap"});
      ASSERT_EQ(ran.out, bits_of(capacity_, 4096, {{first * 4096, count * 4096}}))
          << first << " " << count;
    }
}

TEST_F(CliDiffTest, NoChangesAreAListToo) {
  capacity_ = 1ULL << 30;
  serve_pages({{{}, 1ULL << 30}});
  EXPECT_EQ(caisson({"snapshot", "diff", "db1", "a", "--format", "bitmap"}).out,
            std::string(32768, '\0'));
  cursors_.clear();
  EXPECT_THAT(caisson({"snapshot", "diff", "db1", "a"}).out, HasSubstr("0 of 1G changed"));
}

TEST_F(CliDiffTest, AFileIsThereOnceItIsWhole) {
  serve_three_pages();
  auto file = path("list");
  { std::ofstream(file) << "older"; }
  auto ran = caisson({"snapshot", "diff", "db1", "a", "--format", "bitmap", "--to", file});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_EQ(content(file).size(), 32U);
  EXPECT_FALSE(std::filesystem::exists(file + ".partial"));

  answer(failure(Errc::not_found, "LUN 'db1' has no snapshot 'a'", "see snapshot list"));
  ran = caisson({"snapshot", "diff", "db1", "a", "--to", file});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_EQ(content(file).size(), 32U);
  EXPECT_FALSE(std::filesystem::exists(file + ".partial"));
  EXPECT_EQ(caisson({"snapshot", "diff", "db1", "a", "--to", "/nowhere/list"}).exit, 1);
  EXPECT_EQ(caisson({"snapshot", "diff", "db1", "a", "--to", dir_.path().string()}).exit, 2);
}

TEST_F(CliDiffTest, ATerminalIsSparedRawBytes) {
  terminal_ = true;
  serve_three_pages();
  auto ran = caisson({"snapshot", "diff", "db1", "a", "--format", "bitmap"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_THAT(ran.err, HasSubstr("--to"));
}

TEST_F(CliDiffTest, AListThatDoesNotGoOnOrIsOutOfOrderIsNoList) {
  capacity_ = 1 << 20;
  serve_pages({{{{0, 4096}}, 0}, {{}, 1 << 20}});
  EXPECT_THAT(caisson({"snapshot", "diff", "db1", "a"}).err, HasSubstr("does not go on"));
  const std::vector<Extent> wrong[] = {{{8192, 4096}, {4096, 4096}},
                                       {{0, 8192}, {4096, 4096}},
                                       {{0, 0}},
                                       {{4096, 0xffffffffffffffff}}};
  for (const auto& extents : wrong) {
    cursors_.clear();
    serve_pages({{extents, 1 << 20}});
    auto ran = caisson({"snapshot", "diff", "db1", "a", "--format", "bitmap"});
    EXPECT_EQ(ran.exit, 1);
    EXPECT_THAT(ran.err, HasSubstr("out of order"));
  }
}

TEST_F(CliDiffTest, AFailureInTheMiddleIsOne) {
  service_.answer_by([](const auto&, const std::string& bytes, auto&) {
    wire::SnapshotDiffRequest request;
    request.ParseFromString(bytes);
    if (request.cursor() != 0)
      return ControlReply::failed(failure(Errc::not_found, "snapshot 'a' is gone", "ask again"));
    wire::SnapshotDiffReply reply;
    reply.set_cursor(4096);
    reply.set_capacity(8192);
    return ControlReply::success(reply.SerializeAsString());
  });
  auto ran = caisson({"snapshot", "diff", "db1", "a"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.err, HasSubstr("snapshot 'a' is gone"));
  EXPECT_THAT(ran.out, Not(HasSubstr("changed")));
}

}  // namespace
}  // namespace caisson::cli
