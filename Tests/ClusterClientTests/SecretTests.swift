import ClusterClient
import Testing

@Suite struct SecretTests {
  @Test func isNotPrinted() {
    #expect(!"\([Secret("hush")])".contains("hush"))
  }
}
