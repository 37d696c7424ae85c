import { Empty } from "../../components/states";

export default function Trade({ symbol }: { symbol?: string }) {
  return <Empty title={symbol ?? "Trade"} />;
}
