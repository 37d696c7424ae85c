import { Empty } from "../../components/states";

export default function Risk() {
  return <Empty title="Risk" />;
}
