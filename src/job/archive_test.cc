#include "job/archive.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace job {
namespace {

using std::string_literals::operator""s;

std::string Header(const std::string& name, char type, size_t size) {
  std::string header(512, '\0');
  const auto put = [&](size_t at, const std::string& text) {
    header.replace(at, text.size(), text);
  };
  const auto octal = [](size_t value, int digits) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%0*zo", digits, value);
    return std::string(text.data());
  };
  put(0, name);
  put(100, "0000644");
  put(124, octal(size, 11));
  put(148, "        ");
  put(156, std::string(1, type));
  put(257,
      "ustar\0"
      "00"s);
  size_t sum = 0;
  for (const char c : header) {
    sum += static_cast<unsigned char>(c);
  }
  put(148, octal(sum, 6) + "\0 "s);
  return header;
}

std::string Member(const std::string& name, const std::string& content, char type = '0') {
  return Header(name, type, content.size()) + content +
         std::string((512 - content.size() % 512) % 512, '\0');
}

const std::string kEnd(1024, '\0');

std::string Gzip(const std::string& data) {
  z_stream stream{};
  EXPECT_EQ(::deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(::deflateBound(&stream, data.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  ::deflateEnd(&stream);
  return out;
}

class ReadArchiveTest : public testing::Test {
 protected:
  // "path=content;..." or "! " and the problem.
  std::string Read(ArchiveFormat format, const std::string& bytes) {
    std::vector<SourceFile> files;
    if (const auto problem = ReadArchive(format, bytes, &budget_, &files)) {
      return "! " + *problem;
    }
    std::string text;
    for (const SourceFile& file : files) {
      text += file.path + "=" + file.content + ";";
    }
    return text;
  }

  size_t budget_ = kMaxInflatedBytes;
};

TEST_F(ReadArchiveTest, TakesFilesAndLeavesFoldersOut) {
  const std::string tar = Member("./", "", '5') + Member("./a.py", "print(1)") +
                          Member("d/", "", '5') + Member("d/b", std::string(600, 'x')) + kEnd;
  const std::string expected = "a.py=print(1);d/b=" + std::string(600, 'x') + ";";
  EXPECT_EQ(Read(ArchiveFormat::kTar, tar), expected);
  EXPECT_EQ(Read(ArchiveFormat::kTarGz, Gzip(tar)), expected);
  EXPECT_EQ(budget_, kMaxInflatedBytes - tar.size());
  // As compressors that work in parallel write it.
  EXPECT_EQ(Read(ArchiveFormat::kTarGz, Gzip(tar.substr(0, 700)) + Gzip(tar.substr(700))),
            expected);
  EXPECT_EQ(Read(ArchiveFormat::kTar, ""), "");
}

TEST_F(ReadArchiveTest, TakesLongNames) {
  const std::string name(150, 'n');
  EXPECT_EQ(Read(ArchiveFormat::kTar, Member("x", "162 path=d/" + name + "\n", 'x') +
                                          Member("short", "1") + Member("next", "2")),
            "d/" + name + "=1;next=2;");
  EXPECT_EQ(
      Read(ArchiveFormat::kTar, Member("././@LongLink", name + "\0"s, 'L') + Member("short", "1")),
      name + "=1;");
}

TEST_F(ReadArchiveTest, RefusesWhatIsNoFileByName) {
  for (const char type : {'1', '2', '3', '4', '6', 'S'}) {
    const std::string problem = Read(ArchiveFormat::kTar, Member("m", "", type) + kEnd);
    EXPECT_TRUE(problem.starts_with("! member \"m\" is ")) << type << problem;
  }
  for (const char* name : {"/etc/passwd", "../x", "a/../../x", "a//b", "-x", "a\nb", "\xFF"}) {
    const std::string problem = Read(ArchiveFormat::kTar, Member(name, "") + kEnd);
    EXPECT_NE(problem.find("has a path that must"), std::string::npos) << name << problem;
  }
  EXPECT_NE(Read(ArchiveFormat::kTar, Member("a", "") + Member("./a", "")).find("is there twice"),
            std::string::npos);
  EXPECT_NE(Read(ArchiveFormat::kTar, Member("a", "") + Member("a/b", "")).find("is there twice"),
            std::string::npos);
}

TEST_F(ReadArchiveTest, RefusesWhatIsBroken) {
  std::string tar = Member("a", "content") + kEnd;
  EXPECT_EQ(Read(ArchiveFormat::kTar, tar.substr(0, 515)),
            "! member \"a\" is larger than the archive");
  EXPECT_EQ(Read(ArchiveFormat::kTar, tar.substr(0, 100)), "! ends within a header");
  tar[3] = 'x';
  EXPECT_NE(Read(ArchiveFormat::kTar, tar).find("is broken"), std::string::npos);
  const std::string gzip = Gzip(tar);
  EXPECT_EQ(Read(ArchiveFormat::kTarGz, gzip.substr(0, gzip.size() - 1)),
            "! is no whole gzip file");
  EXPECT_EQ(Read(ArchiveFormat::kTarGz, gzip + "x"), "! is no whole gzip file");
  EXPECT_EQ(Read(ArchiveFormat::kZip, tar), "! is no zip archive");
}

TEST_F(ReadArchiveTest, IsBounded) {
  std::string many;
  for (size_t i = 0; i <= kMaxArchiveMembers; ++i) {
    many += Member("d" + std::to_string(i) + "/", "", '5');
  }
  EXPECT_EQ(Read(ArchiveFormat::kTar, many), "! must have at most 4000 members");
  EXPECT_NE(
      Read(ArchiveFormat::kTar, Member("a", std::string(kMaxArchiveBytes, 'x')) + Member("b", "x"))
          .find("member \"b\" is too large"),
      std::string::npos);
  const std::string bomb = Gzip(std::string(kMaxInflatedBytes + 1, '\0'));
  EXPECT_NE(Read(ArchiveFormat::kTarGz, bomb).find("inflates to more than"), std::string::npos);
  EXPECT_EQ(budget_, 0U) << "what was tried counts";
}

}  // namespace
}  // namespace job
