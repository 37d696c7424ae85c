import { Empty } from "../../components/states";

export default function Market() {
  return <Empty title="Market" />;
}
