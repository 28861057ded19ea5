#include "http/gzip.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>

namespace http {
namespace {

std::string Decompress(const std::string& data) {
  z_stream stream{};
  EXPECT_EQ(::inflateInit2(&stream, 15 + 16), Z_OK);
  std::string out(size_t{4} << 20, '\0');
  std::string in = data;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::inflate(&stream, Z_FINISH), Z_STREAM_END);
  EXPECT_EQ(stream.avail_in, 0U);
  out.resize(out.size() - stream.avail_out);
  ::inflateEnd(&stream);
  return out;
}

TEST(GzipTest, GivesTheBodyBackInSlices) {
  std::string noise(size_t{1} << 20, '\0');  // what does not compress is the largest
  uint32_t state = 1;
  std::generate(noise.begin(), noise.end(), [&] {
    state = state * 1664525 + 1013904223;
    return static_cast<char>(state >> 24);
  });
  for (const std::string& body : {std::string(), std::string("x"), std::string(64 << 10, 'a'),
                                  std::string((64 << 10) + 1, 'b'), noise}) {
    const std::shared_ptr<BodySource> source = Gzip(body);
    std::string out;
    size_t largest = 0;
    while (!source->ended()) {
      const std::string piece = source->Take();
      ASSERT_FALSE(piece.empty());
      largest = std::max(largest, piece.size());
      out += piece;
    }
    EXPECT_EQ(source->Take(), "");
    EXPECT_LE(largest, size_t{66} << 10);
    EXPECT_EQ(Decompress(out), body) << body.size();
  }
}

TEST(AcceptsGzipTest, WeighsWhatTheClientNames) {
  for (const char* yes :
       {"gzip", "deflate, gzip", "gzip;q=0.5", "*", "br;q=1, *;q=0.1", "gzip ; q=1"}) {
    EXPECT_TRUE(AcceptsGzip(yes)) << yes;
  }
  for (const char* no : {"", "identity", "br, deflate", "gzip;q=0", "gzip;q=0.000", "*;q=0",
                         "gzip;q=0, *", "xgzip", "gzip;x=1"}) {
    EXPECT_FALSE(AcceptsGzip(no)) << no;
  }
}

}  // namespace
}  // namespace http
