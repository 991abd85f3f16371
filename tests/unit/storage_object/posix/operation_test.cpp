// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/operation.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace caisson::posix {
namespace {

/// A write of "abcdefgh" in two vectors, at offset 100.
class OperationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    request_.op = FileOp::write;
    request_.offset = 100;
    request_.length = 8;
    request_.buffers = vectors_;
  }
  std::string planned() {
    operation_.plan();
    std::string text;
    for (const auto& v : operation_.vectors())
      text.append(static_cast<const char*>(v.iov_base), v.iov_len);
    return text;
  }

  char text_[9] = "abcdefgh";
  IoVec vectors_[2] = {{text_, 3}, {text_ + 3, 5}};
  FileRequest request_;
  Descriptor descriptor_;
  Operation operation_;
};

TEST_F(OperationTest, AShortTransferGoesOnWhereItStopped) {
  ASSERT_TRUE(operation_.begin(request_, descriptor_));
  EXPECT_EQ(planned(), "abcdefgh");
  EXPECT_FALSE(operation_.settle(2));
  EXPECT_EQ(planned(), "cdefgh");
  EXPECT_EQ(operation_.position(), 102U);
  EXPECT_FALSE(operation_.settle(4));
  EXPECT_EQ(planned(), "gh");
  EXPECT_EQ(operation_.position(), 106U);
  EXPECT_TRUE(operation_.settle(2));
  EXPECT_FALSE(operation_.error());
}

TEST_F(OperationTest, InterruptionsAreRepeated) {
  ASSERT_TRUE(operation_.begin(request_, descriptor_));
  for (int number : {EINTR, EAGAIN}) {
    EXPECT_EQ(planned(), "abcdefgh");
    EXPECT_FALSE(operation_.settle(-number));
  }
  EXPECT_EQ(planned(), "abcdefgh");
  EXPECT_TRUE(operation_.settle(8));
  EXPECT_FALSE(operation_.error());
}

TEST_F(OperationTest, AnErrorAfterAShortTransferIsReported) {
  ASSERT_TRUE(operation_.begin(request_, descriptor_));
  planned();
  EXPECT_FALSE(operation_.settle(3));
  planned();
  EXPECT_TRUE(operation_.settle(-ENOSPC));
  EXPECT_EQ(operation_.error().value(), ENOSPC);
}

TEST_F(OperationTest, ATransferOfNothingIsNoEndlessLoop) {
  ASSERT_TRUE(operation_.begin(request_, descriptor_));
  planned();
  EXPECT_TRUE(operation_.settle(0));
  EXPECT_EQ(operation_.error().value(), EIO);
}

TEST_F(OperationTest, DirectTransfersBounceUnalignedMemory) {
  descriptor_.alignment = 512;
  alignas(512) char memory[1536];
  std::memset(memory, 'q', sizeof memory);
  IoVec vector{memory + 1, 1024};
  request_.offset = 512;
  request_.length = 1024;
  request_.buffers = {&vector, 1};
  ASSERT_TRUE(operation_.begin(request_, descriptor_));
  EXPECT_EQ(planned(), std::string(1024, 'q'));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(operation_.vectors()[0].iov_base) % 512, 0U);
  EXPECT_FALSE(operation_.settle(512));
  EXPECT_EQ(planned().size(), 512U);
  EXPECT_EQ(operation_.position(), 1024U);
  EXPECT_TRUE(operation_.settle(512));
  EXPECT_FALSE(operation_.error());
}

TEST_F(OperationTest, AReusedOperationForgetsItsLastRequest) {
  request_.length = 9;
  EXPECT_FALSE(operation_.begin(request_, descriptor_));
  EXPECT_EQ(operation_.error().value(), EINVAL);
  request_.length = 8;
  request_.progress = 5;
  ASSERT_TRUE(operation_.begin(request_, descriptor_));
  EXPECT_FALSE(operation_.error());
  EXPECT_EQ(planned(), "abcdefgh");
}

}  // namespace
}  // namespace caisson::posix
