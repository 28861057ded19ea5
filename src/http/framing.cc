#include "http/framing.h"

#include <algorithm>
#include <array>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <cstdio>
#include <ctime>
#include <iterator>
#include <utility>

#include "base/text.h"
#include "http/gzip.h"
#include "http/problem.h"

namespace http {

namespace beast = boost::beast;
using Field = beast::http::field;

namespace {

constexpr size_t kMaxFields = 100;
// Below it, compression saves no packet worth its time.
constexpr size_t kMinCompressed = size_t{16} << 10;

std::string_view View(beast::string_view text) {
  return {text.data(), text.size()};
}

bool IsRequestId(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

// Weak comparison (RFC 9110, 8.8.3.2) of If-None-Match with a tag without quotes.
bool Matches(std::string_view field, std::string_view tag) {
  if (base::Trim(field) == "*") {
    return true;
  }
  while (!field.empty()) {
    const size_t comma = std::min(field.find(','), field.size());
    std::string_view one = base::Trim(field.substr(0, comma));
    field.remove_prefix(std::min(comma + 1, field.size()));
    if (one.starts_with("W/")) {
      one.remove_prefix(2);
    }
    if (one.size() == tag.size() + 2 && one.front() == '"' && one.back() == '"' &&
        one.substr(1, tag.size()) == tag) {
      return true;
    }
  }
  return false;
}

bool IsText(std::string_view content_type) {
  return content_type.starts_with("application/json") || content_type.starts_with("text/html") ||
         content_type.starts_with("text/javascript");
}

std::string HttpDate() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 64> text{};
  // The daemon never sets a locale, so the names are English.
  const size_t size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return std::string(text.data(), size);
}

}  // namespace

std::string_view FieldOf(const Header& header, std::string_view name) {
  return View(header[beast::string_view(name.data(), name.size())]);
}

std::string RequestIdOf(const Header& header) {
  const std::string_view id = View(header["X-Request-Id"]);
  return header.count("X-Request-Id") == 1 && IsRequestId(id) ? std::string(id) : base::RandomId();
}

bool IsJson(const Header& header) {
  if (header.count(Field::content_type) != 1) {
    return false;
  }
  std::string_view value = View(header[Field::content_type]);
  const size_t semicolon = value.find(';');
  if (!base::EqualsIgnoringCase(base::Trim(value.substr(0, semicolon)), "application/json")) {
    return false;
  }
  if (semicolon == std::string_view::npos) {
    return true;
  }
  const std::string_view parameter = base::Trim(value.substr(semicolon + 1));
  return parameter.empty() || base::EqualsIgnoringCase(parameter, "charset=utf-8") ||
         base::EqualsIgnoringCase(parameter, "charset=\"utf-8\"");
}

FramingError CheckFraming(const Header& header, bool folded) {
  if (folded) {
    return {400, "a header field must be one line"};
  }
  if (static_cast<size_t>(std::distance(header.begin(), header.end())) > kMaxFields) {
    return {431, "there are too many header fields"};
  }
  if (header.count(Field::host) > 1 || (header.version() == 11 && header.count(Field::host) == 0)) {
    return {400, "exactly one Host field is needed"};
  }
  const size_t lengths = header.count(Field::content_length);
  const size_t encodings = header.count(Field::transfer_encoding);
  if (lengths > 1 || (lengths > 0 && encodings > 0)) {
    return {400, "the length of the body is ambiguous"};
  }
  if (lengths == 1) {
    const std::string_view value = View(header[Field::content_length]);
    if (value.empty() || value.find_first_not_of("0123456789") != std::string_view::npos) {
      return {400, "Content-Length must be a number"};
    }
  }
  if (encodings > 0) {
    if (encodings > 1 || header.version() != 11) {
      return {400, "Transfer-Encoding is not acceptable here"};
    }
    if (!base::EqualsIgnoringCase(View(header[Field::transfer_encoding]), "chunked")) {
      return {501, "the only transfer encoding is chunked"};
    }
  }
  return {};
}

std::optional<Response> ParserProblem(const boost::system::error_code& error,
                                      std::string_view request_id) {
  using Error = beast::http::error;
  if (error == Error::header_limit || error == Error::buffer_overflow) {
    return Problem(431, "the header is too large", request_id);
  }
  if (error == Error::body_limit) {
    return Problem(413, "the body is too large", request_id);
  }
  const bool gone = error == Error::end_of_stream || error == Error::partial_message;
  if (!gone && error.category() == beast::http::make_error_code(Error::bad_method).category()) {
    return Problem(400, "the request is malformed", request_id);
  }
  return std::nullopt;
}

void Complete(const Framing& framing, Response* response) {
  response->headers.insert(response->headers.end(), framing.cors.begin(), framing.cors.end());
  if (!response->etag.empty() && Matches(framing.if_none_match, response->etag)) {
    response->status = 304;
    response->body.clear();
    response->source = nullptr;
    return;
  }
  if (response->source != nullptr || response->body.size() < kMinCompressed ||
      !IsText(response->content_type)) {
    return;
  }
  response->headers.emplace_back("Vary", "Accept-Encoding");
  if (framing.gzip && !framing.http10) {
    response->headers.emplace_back("Content-Encoding", "gzip");
    response->source = Gzip(std::move(response->body));
  }
}

std::string ResponseHeader(const Response& response, const Framing& framing,
                           std::string_view request_id) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " ";
  out += ReasonPhrase(response.status);
  const auto add = [&out](std::string_view name, std::string_view value) {
    out.append("\r\n").append(name).append(": ").append(value);
  };
  add("Date", HttpDate());
  // RFC 9110, 8.6: there is no content whose length to tell.
  if (response.status != 204 && response.status != 304) {
    add("Content-Type", response.content_type);
    if (response.source == nullptr) {
      add("Content-Length", std::to_string(response.body.size()));
    } else if (!framing.http10) {
      add("Transfer-Encoding", "chunked");
    }
  }
  add("X-Request-Id", request_id);
  add("X-Content-Type-Options", "nosniff");
  if (response.etag.empty()) {
    add("Cache-Control", "no-store");
  } else {
    add("Cache-Control", "no-cache");
    add("ETag", "W/\"" + response.etag + "\"");  // weak: the same with and without compression
  }
  for (const auto& [name, value] : response.headers) {
    add(name, value);
  }
  if (!framing.keep_alive) {
    add("Connection", "close");
  } else if (framing.http10) {
    add("Connection", "keep-alive");
  }
  out += "\r\n\r\n";
  return out;
}

std::string Chunk(const std::string& piece) {
  std::array<char, 16> size{};
  const int digits = std::snprintf(size.data(), size.size(), "%zx\r\n", piece.size());
  std::string out;
  out.reserve(static_cast<size_t>(digits) + piece.size() + 2);
  out.append(size.data(), static_cast<size_t>(digits)).append(piece).append("\r\n");
  return out;
}

}  // namespace http
