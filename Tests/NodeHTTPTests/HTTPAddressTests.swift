import NodeHTTP
import Testing

@Suite struct HTTPAddressTests {
  @Test(arguments: [
    ("127.0.0.1:10249", "127.0.0.1:10249"), ("127.0.0.1", "127.0.0.1:7"), ("0.0.0.0:80", "*:80"),
    ("[::1]:80", "[::1]:80"), ("[::]:80", "*:80"), ("::1", "[::1]:7"), (":80", "*:80"),
    ("::", "*:7"), ("[fd00::1]", "[fd00::1]:7"),
  ])
  func isReadAsKubeProxyReadsIt(text: String, meaning: String) {
    #expect(HTTPAddress(text, defaultPort: 7)?.description == meaning)
  }

  @Test(arguments: ["127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "1.2.3.4:0", "[::1", "[::1]80"])
  func whatIsNoneIsRefused(text: String) {
    #expect(HTTPAddress(text, defaultPort: 7) == nil)
  }
}
