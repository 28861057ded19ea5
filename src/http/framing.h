#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace boost::beast::http {
template <class Allocator>
class basic_fields;
template <bool is_request, class Fields>
struct header;
}  // namespace boost::beast::http

namespace boost::system {
class error_code;
}

// What HTTP/1.1 says about one message, apart from its meaning: checks of a request's header, and
// the bytes of a response. Pure functions but for the date.
namespace http {

using Header =
    boost::beast::http::header<true, boost::beast::http::basic_fields<std::allocator<char>>>;

// The value of a field; empty when it is not there.
std::string_view FieldOf(const Header& header, std::string_view name);

// The client's X-Request-Id when it is one of 1 to 64 letters, digits and "._-", else a new one.
std::string RequestIdOf(const Header& header);

// "application/json", with at most charset=utf-8. Anything else a browser form could send across
// sites without asking first.
bool IsJson(const Header& header);

// What is wrong with the message's framing, beside what Beast finds itself: everything that another
// server on the way could read differently. `status` is for the answer, after which the connection
// closes; 0: nothing.
struct FramingError {
  int status = 0;
  std::string_view detail;
};

// `folded`: a field goes on in a second line.
FramingError CheckFraming(const Header& header, bool folded);

// The answer to what the parser refused; nothing when the client just went away.
std::optional<Response> ParserProblem(const boost::system::error_code& error,
                                      std::string_view request_id);

// How a request wants its answer.
struct Framing {
  bool keep_alive = false;
  bool http10 = false;
  bool head = false;
  bool gzip = false;          // the client takes it
  std::string if_none_match;  // the field
  Params cors;                // the fields of cors.h
};

// Adds to a response what depends on the request: 304 where the client has the body already, a
// compressed body where that pays, CORS fields.
void Complete(const Framing& framing, Response* response);

// Status line and fields, with the empty line.
std::string ResponseHeader(const Response& response, const Framing& framing,
                           std::string_view request_id);

// A piece of a chunked body, and its end (RFC 9112, 7.1).
std::string Chunk(const std::string& piece);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace http
