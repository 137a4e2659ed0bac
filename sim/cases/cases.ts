export async function playCases(): Promise<boolean> {
  return true
}
